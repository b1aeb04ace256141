import type { IServerSentEvent } from '../../tokens';
import { parseObject } from '../json';

const KEPT = ['sse.run', 'sse.ready', 'sse.state', 'sse.end'];

/** What a stream's control events have told so far and what still holds: who joins late is told it again. */
export class Controls {
  constructor(events: readonly IServerSentEvent[] = []) {
    events.forEach(event => this.note(event));
  }

  /** In an order in which they could have come. */
  get events(): IServerSentEvent[] {
    return KEPT.flatMap(type => this._events.get(type) ?? []);
  }

  note(event: IServerSentEvent): void {
    if (KEPT.includes(event.type)) {
      this._events.set(event.type, event);
    }
    // A new run clears the end, and so does an event.
    if (event.type === 'sse.run' || !event.type.startsWith('sse.')) {
      this._events.delete('sse.end');
    }
  }

  /** The connection begins anew: what it tells next is of the past until it says that it is ready. */
  begin(): void {
    this._events.delete('sse.ready');
  }

  private readonly _events = new Map<string, IServerSentEvent>();
}

/** Whether a run is for one reader alone: nobody else can read it, nor read it again. */
export function isOfOneReader(run: IServerSentEvent): boolean {
  return parseObject(run.data).kind === 'visit';
}

/** The run that a control event is about, or `null`. */
export function runOf(event: IServerSentEvent): number | null {
  if (event.type !== 'sse.run' && event.type !== 'sse.end') {
    return null;
  }
  const { run } = parseObject(event.data);
  return typeof run === 'number' ? run : null;
}
