import type { IGap } from '../model/event';
import type { StreamModel } from '../model/stream';
import { formatCount, type TimeFormat } from './format';
import type { IStatus } from './status';

/** What the user can do about a state. */
export type Remedy = 'retry' | 'reload' | 'switch' | null;

/** One sentence or two about a state, and what to do. */
export interface ISentence {
  readonly text: string;
  readonly remedy: Remedy;
  readonly isError: boolean;
}

const IDLE_MS = 10_000;

/**
 * What a card says of its stream's state; `null` where the picture says it all.
 *
 * @param now - unix ms of this machine
 */
export function describeStatus(
  status: IStatus,
  model: StreamModel,
  now: number,
  time: TimeFormat
): ISentence | null {
  const name = `“${model.name}”`;
  switch (status.kind) {
    case 'connecting':
    case 'catching-up':
    case 'live':
      return null;
    case 'waiting':
      return say(
        now - model.openedAt > IDLE_MS
          ? `No events yet. ${name} is open, but nothing has been yielded.`
          : `Waiting for the first event of ${name}.`
      );
    case 'ended':
    case 'stopped':
      return say(describeEnd(status.kind, model, time));
    case 'failed':
      return { ...say(describeError(model)), isError: true };
    case 'lost':
      return say(
        `The kernel is out of reach. ${describeKept(model, time)}`.trim()
      );
    case 'gone':
      return {
        ...say(`The kernel stopped. ${describeKept(model, time)}`.trim()),
        isError: true
      };
    case 'unknown':
      return say(
        model.events > 0
          ? `This server does not know ${name} any more. Run the cell to start it again.`
          : `There is no stream ${name} on this server. Run the cell to start it.`
      );
    case 'reconnecting':
      return { ...say(describeOutage(status, now)), remedy: 'retry' };
    case 'busy':
      return {
        ...say(
          `The server has no room for more readers. ${tryAgain(status, now)}`
        ),
        remedy: 'retry'
      };
    case 'signed-out':
      return {
        text: 'You are not signed in.',
        remedy: 'reload',
        isError: true
      };
    case 'forbidden':
      return {
        ...say(`You may not read ${name}. Ask its owner for a share link.`),
        isError: true
      };
    case 'missing':
      return {
        text: 'The server lacks jupyter_sse: `pip install jupyter_sse`, then restart Jupyter.',
        remedy: 'retry',
        isError: true
      };
  }
}

/** What is missing at a gap, and why. */
export function describeGap(gap: IGap): string {
  const lost =
    gap.count === null
      ? 'Events were lost.'
      : `${count(gap.count, 'event')} ${gap.count === 1 ? 'was' : 'were'} lost.`;
  const reason = GAP_REASONS[gap.reason];
  return reason === undefined ? lost : `${lost} ${reason}`;
}

/** All that is missing, for the footer: "312 lost in 1 gap". */
export function describeGaps(gaps: readonly IGap[]): string {
  const lost = gaps.reduce((sum, gap) => sum + (gap.count ?? 0), 0);
  const isCertain = gaps.every(gap => gap.count !== null);
  const amount = isCertain
    ? formatCount(lost)
    : lost > 0
      ? `${formatCount(lost)}+`
      : '?';
  return `${amount} lost in ${count(gaps.length, 'gap')}`;
}

/** "1 event", "72,410 events". */
export function count(amount: number, noun: string): string {
  return `${formatCount(amount)} ${noun}${amount === 1 ? '' : 's'}`;
}

const GAP_REASONS: { readonly [reason: string]: string } = {
  evicted: "The server's history no longer holds them.",
  overflow: 'They came faster than they could be sent or kept.',
  epoch: "The server's log was started anew.",
  ahead:
    'This page had seen events the server does not know: it was restored from an older state.',
  'unknown-id': 'The server does not know the event to resume after.'
};

function say(text: string): ISentence {
  return { text, remedy: null, isError: false };
}

function describeEnd(
  kind: 'ended' | 'stopped',
  model: StreamModel,
  time: TimeFormat
): string {
  if (model.events === 0) {
    return model.run === null
      ? 'This stream ended and its history is gone. Run the cell again to see it.'
      : 'Ended without an event.';
  }
  const word = kind === 'stopped' ? 'Stopped' : 'Ended';
  const at = model.end?.at ?? NaN;
  const when = Number.isNaN(at) ? '' : ` at ${time.time(at)}`;
  return `${word}${when} after ${count(model.events, 'event')}.`;
}

function describeError(model: StreamModel): string {
  const error = model.end?.error;
  if (!error) {
    return 'The stream failed.';
  }
  const { type, message, line } = error;
  const what = message === '' ? type : `${type}: ${message}`;
  const cell = model.runInfo?.origin;
  return line === null || !cell ? what : `${what}, at line ${line} of ${cell}`;
}

function describeKept(model: StreamModel, time: TimeFormat): string {
  return model.events === 0
    ? ''
    : `${count(model.events, 'event')} up to ${time.time(model.lastAt)} ${model.events === 1 ? 'is' : 'are'} kept.`;
}

function describeOutage(status: IStatus, now: number): string {
  const seconds = Math.max(0, Math.round((now - (status.since ?? now)) / 1000));
  return `Connection lost ${seconds} s ago. ${tryAgain(status, now)}`;
}

function tryAgain(status: IStatus, now: number): string {
  const seconds = Math.ceil(((status.retryAt ?? now) - now) / 1000);
  return seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying again.';
}
