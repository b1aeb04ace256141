import type { IGap } from '../model/event';
import { type ILoss, lossOf } from '../model/losses';
import type { StreamModel } from '../model/stream';
import { formatCount, type TimeFormat } from './format';
import type { IStatus } from './status';

/** What the user can do about a state. */
export type Remedy =
  'retry' | 'reload' | 'switch' | 'run-again' | 'show-error' | 'show-gap';

/** One sentence or two about a state, and what to do. */
export interface ISentence {
  readonly text: string;
  readonly remedy: Remedy | null;
  readonly isError: boolean;
  /** What there is to know beyond the sentence, or the empty text. */
  readonly details: string;
  /** What is missing, of a sentence about a gap. */
  readonly gap: IGap | null;
}

const IDLE_MS = 10_000;
/** A longer message of an error is told in the details. */
const MAX_MESSAGE = 160;

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
        now - model.awaitedSince > IDLE_MS
          ? `No events yet. ${name} is open, but nothing has been yielded.`
          : `Waiting for the first event of ${name}.`
      );
    case 'ended':
    case 'stopped':
      return say(describeEnd(status.kind, model, time), 'run-again');
    case 'failed':
      return describeFailure(model);
    case 'lost':
      return say(
        `The kernel is out of reach. ${describeKept(model, time)}`.trim()
      );
    case 'gone':
      return complain(
        `The kernel stopped. ${describeKept(model, time)}`.trim()
      );
    case 'unknown':
      return say(
        model.events > 0
          ? `This server does not know ${name} any more. Run the cell to start it again.`
          : `There is no stream ${name} on this server. Run the cell to start it.`,
        'run-again'
      );
    case 'reconnecting':
      return say(describeOutage(status, now), 'retry');
    case 'busy':
      return say(
        `The server has no room for more readers. ${tryAgain(status, now)}`,
        'retry'
      );
    case 'signed-out':
      return complain('You are not signed in.', 'reload');
    case 'forbidden':
      return complain(
        `You may not read ${name}. Ask its owner for a share link.`
      );
    case 'missing':
      return complain(
        'The server lacks jupyter_sse: `pip install jupyter_sse`, then restart Jupyter.',
        'retry'
      );
  }
}

/** What is missing at a gap, and why. */
export function describeGap(gap: IGap): string {
  const lost = tellLoss(lossOf([gap]));
  const reason = GAP_REASONS.get(gap.reason);
  return reason === undefined ? lost : `${lost} ${reason}`;
}

/** All that is missing, for the footer: "312 lost in 1 gap". */
export function describeLoss({ events, gaps, isExact }: ILoss): string {
  const amount = isExact
    ? formatCount(events)
    : events > 0
      ? `${formatCount(events)}+`
      : '?';
  return `${amount} lost in ${count(gaps, 'gap')}`;
}

/** What an outage has cost, and where to see it. */
export function describeReturn(missed: readonly IGap[]): ISentence {
  const text = `Reconnected. ${tellLoss(lossOf(missed))}`;
  return { ...say(text, 'show-gap'), gap: missed[0] };
}

/** What is missing as a sentence: "312 events were lost." */
function tellLoss({ events, gaps, isExact }: ILoss): string {
  const where = gaps > 1 ? ` in ${count(gaps, 'gap')}` : '';
  if (!isExact && events === 0) {
    return `Events were lost${where}.`;
  }
  const amount = count(events, 'event');
  const verb = events === 1 ? 'was' : 'were';
  return `${isExact ? '' : 'At least '}${amount} ${verb} lost${where}.`;
}

/** "72,410 events"; of progress "13 updates": what it counts is not its events, of which it sends as many as needed. */
export function countEvents(model: StreamModel): string {
  const kind = model.runInfo?.view.kind ?? model.suggestedKind;
  return count(model.events, kind === 'progress' ? 'update' : 'event');
}

/** "1 event", "72,410 events". */
export function count(amount: number, noun: string): string {
  return `${formatCount(amount)} ${noun}${amount === 1 ? '' : 's'}`;
}

const GAP_REASONS: ReadonlyMap<string, string> = new Map([
  ['evicted', "The server's history no longer holds them."],
  ['overflow', 'They came faster than they could be sent or kept.'],
  ['epoch', "The server's log was started anew."],
  [
    'ahead',
    'This page had seen events the server does not know: it was restored from an older state.'
  ],
  ['unknown-id', 'The server does not know the event to resume after.']
]);

/** A sentence about something that is as it should be. */
export function say(text: string, remedy: Remedy | null = null): ISentence {
  return { text, remedy, isError: false, details: '', gap: null };
}

function complain(text: string, remedy: Remedy | null = null): ISentence {
  return { ...say(text, remedy), isError: true };
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
  return `${word}${when} after ${countEvents(model)}.`;
}

function describeFailure({ end, runInfo }: StreamModel): ISentence {
  if (!end?.error) {
    return complain('The stream failed.');
  }
  const { type, message, line } = end.error;
  const what = message === '' ? type : `${type}: ${message}`;
  const cell = runInfo?.origin;
  const where = line === null || !cell ? '' : `at line ${line} of ${cell}`;
  return {
    ...complain(
      [firstLine(what), where].filter(part => part !== '').join(', '),
      'show-error'
    ),
    details: [what, where].filter(part => part !== '').join('\n')
  };
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0];
  return line.length < text.length || line.length > MAX_MESSAGE
    ? `${line.slice(0, MAX_MESSAGE)}…`
    : line;
}

function describeKept(model: StreamModel, time: TimeFormat): string {
  return model.events === 0
    ? ''
    : `${countEvents(model)} up to ${time.time(model.lastAt)} ${model.events === 1 ? 'is' : 'are'} kept.`;
}

function describeOutage(status: IStatus, now: number): string {
  const seconds = Math.max(0, Math.round((now - (status.since ?? now)) / 1000));
  return `Connection lost ${seconds} s ago. ${tryAgain(status, now)}`;
}

function tryAgain(status: IStatus, now: number): string {
  const seconds = Math.ceil(((status.retryAt ?? now) - now) / 1000);
  return seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying again.';
}
