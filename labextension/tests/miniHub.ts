import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse
} from 'node:http';
import type { AddressInfo } from 'node:net';

interface IEntry {
  readonly seq: number;
  readonly data: string;
}

interface ICursor {
  next: number;
  gap: string | null;
  isReplaying: boolean;
}

/**
 * What the page sees of the real hub: logs with a bounded history, connections of one stream and of many, positions,
 * replays, gaps. The tests in a real browser have the real one.
 */
export class MiniHub {
  static async start(): Promise<MiniHub> {
    const hub = new MiniHub();
    await hub.listen();
    return hub;
  }

  /** Events that are held of each stream. */
  history = 10_000;
  /** Streams that are runs of their own for each connection. */
  readonly visits = new Set<string>();
  /** Every request's method and path, in order. */
  readonly requests: string[] = [];
  /** The same requests, in full. */
  readonly received: IncomingMessage[] = [];
  /** Requests for one stream alone are answered with this status. */
  refuseSingle: number | null = null;

  get baseUrl(): string {
    return `http://127.0.0.1:${this._port}/`;
  }

  /** Connections of many streams that are open. */
  get connections(): number {
    return [...this._connections].filter(one => !one.isSingle).length;
  }

  /** Connections of one stream that are open. */
  get singles(): number {
    return this._connections.size - this.connections;
  }

  /** The streams that are being read, over connections of many. */
  get reads(): string[] {
    return [...this._connections]
      .filter(one => !one.isSingle)
      .flatMap(one => [...one.cursors.keys()])
      .sort();
  }

  append(stream: string, ...values: unknown[]): void {
    const log = this._log(stream);
    for (const value of values) {
      log.push({ seq: ++this._seq, data: JSON.stringify(value) });
    }
    this._connections.forEach(one => this._pump(one));
  }

  /** Cut all connections; the log stays. */
  cut(): void {
    this._connections.forEach(one => one.response.destroy());
    this._connections.clear();
  }

  /** What a server that starts again knows: nothing. */
  forget(): void {
    this._epoch = `mini0000${String(++this._lives).padStart(3, '0')}`;
    this._seq = 0;
    this._logs.clear();
    this.cut();
  }

  async stop(): Promise<void> {
    this._server.closeAllConnections();
    await new Promise(resolve => this._server.close(resolve));
  }

  private async listen(): Promise<void> {
    await new Promise<void>(resolve =>
      this._server.listen(0, '127.0.0.1', resolve)
    );
    this._port = (this._server.address() as AddressInfo).port;
  }

  private _answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, 'http://x');
    this.requests.push(`${request.method} ${url.pathname}`);
    this.received.push(request);
    if (request.method === 'POST') {
      this._change(request, response, url.pathname.split('/').at(-1)!);
      return;
    }
    const isSingle = url.pathname !== '/sse';
    const name = decodeURIComponent(url.pathname.slice('/sse/'.length));
    if (isSingle && this.refuseSingle !== null) {
      response.writeHead(this.refuseSingle).end('{}');
      return;
    }
    if (isSingle && !this._logs.has(name)) {
      response.writeHead(404).end('{}');
      return;
    }
    const from = url.searchParams.get('last_event_id') ?? 'earliest';
    const specs = isSingle
      ? [`${name}@${from}`]
      : url.searchParams.getAll('stream');
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const id = `c${++this._ids}`;
    const connection = new Connection(id, response, isSingle);
    this._connections.add(connection);
    response.on('close', () => this._connections.delete(connection));
    connection.write('sse.open', null, { connection: id });
    specs.forEach(spec => this._add(connection, spec));
    this._pump(connection);
  }

  private _change(
    request: IncomingMessage,
    response: ServerResponse,
    id: string
  ): void {
    let body = '';
    request.on('data', chunk => (body += chunk));
    request.on('end', () => {
      const connection = [...this._connections].find(one => one.id === id);
      response.writeHead(connection === undefined ? 404 : 204).end();
      const { add, remove } = JSON.parse(body) as Record<string, string[]>;
      if (connection !== undefined) {
        remove.forEach(stream => connection.cursors.delete(stream));
        add.forEach(spec => this._add(connection, spec));
        this._pump(connection);
      }
    });
  }

  private _add(connection: Connection, spec: string): void {
    const [stream, start] = spec.split('@');
    if (this.visits.has(stream)) {
      connection.write('sse.run', null, { stream, run: 1, kind: 'visit' });
    }
    const log = this._log(stream);
    const first = Math.max(1, log.length - this.history + 1);
    const cursor: ICursor = { next: first, gap: null, isReplaying: true };
    if (start !== 'earliest') {
      const [epoch, seq] = start.split('-');
      const after = log.findIndex(entry => entry.seq > Number(seq));
      const next = after === -1 ? log.length + 1 : after + 1;
      if (epoch === this._epoch) {
        cursor.next = next;
      } else {
        cursor.gap = 'epoch';
      }
    }
    connection.cursors.set(stream, cursor);
    connection.isJoint = false;
  }

  /** Write what there is for a connection. */
  private _pump(connection: Connection): void {
    for (const [stream, cursor] of connection.cursors) {
      this._tellGap(connection, stream, cursor);
    }
    for (;;) {
      const due = [...connection.cursors]
        .map(([stream, { next }]) => ({
          stream,
          entry: this._log(stream)[next - 1]
        }))
        .filter(({ entry }) => entry !== undefined)
        .sort((a, b) => a.entry.seq - b.entry.seq)[0];
      if (due === undefined) {
        break;
      }
      const cursor = connection.cursors.get(due.stream)!;
      const { seq, data } = due.entry;
      const hasId = connection.isSingle || connection.isJoint;
      connection.writeText(
        connection.isSingle ? 'message' : `${due.stream}:message`,
        hasId ? `${this._epoch}-${seq}-${cursor.next}` : null,
        data
      );
      cursor.next++;
    }
    this._catchUp(connection);
  }

  private _tellGap(
    connection: Connection,
    stream: string,
    cursor: ICursor
  ): void {
    const log = this._log(stream);
    const first = Math.max(1, log.length - this.history + 1);
    if (cursor.gap === null && cursor.next >= first) {
      return;
    }
    const resumed = Math.max(cursor.next, first);
    const isEpoch = cursor.gap !== null;
    const entry = log[resumed - 1] as IEntry | undefined;
    connection.write('sse.gap', null, {
      stream,
      reason: cursor.gap ?? 'evicted',
      resumed: entry ? `${this._epoch}-${entry.seq}-${resumed}` : null,
      lost: {
        from: isEpoch ? null : cursor.next,
        to: isEpoch ? null : resumed - 1,
        count: isEpoch ? null : resumed - cursor.next
      }
    });
    cursor.next = resumed;
    cursor.gap = null;
    connection.isJoint = false;
  }

  private _catchUp(connection: Connection): void {
    for (const [stream, cursor] of connection.cursors) {
      if (cursor.isReplaying) {
        cursor.isReplaying = false;
        const position = `${this._epoch}-${this._seq}-${cursor.next - 1}`;
        connection.write('sse.ready', null, { stream, cursor: position });
      }
    }
    if (!connection.isJoint && !connection.isSingle) {
      connection.isJoint = true;
      connection.response.write(`id: ${this._epoch}-${this._seq}-0\n\n`);
    }
  }

  private _log(stream: string): IEntry[] {
    const log = this._logs.get(stream) ?? [];
    this._logs.set(stream, log);
    return log;
  }

  private readonly _server: Server = createServer((request, response) =>
    this._answer(request, response)
  );
  private _port = 0;
  private _epoch = 'mini0000000';
  private _lives = 0;
  private _seq = 0;
  private _ids = 0;
  private readonly _logs = new Map<string, IEntry[]>();
  private readonly _connections = new Set<Connection>();
}

class Connection {
  constructor(
    readonly id: string,
    readonly response: ServerResponse,
    readonly isSingle: boolean
  ) {}

  readonly cursors = new Map<string, ICursor>();
  isJoint = false;

  write(type: string, id: string | null, data: unknown): void {
    this.writeText(type, id, JSON.stringify(data));
  }

  writeText(type: string, id: string | null, data: string): void {
    const idLine = id === null ? '' : `id: ${id}\n`;
    this.response.write(`event: ${type}\n${idLine}data: ${data}\n\n`);
  }
}
