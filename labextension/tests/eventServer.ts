import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request for streams that the page has made, with the pen to answer it. */
export class Visit {
  constructor(
    readonly request: IncomingMessage,
    private readonly _response: ServerResponse
  ) {}

  /** The streams asked for, each with its cursor. */
  get streams(): string[] {
    return new URL(this.request.url!, 'http://x').searchParams.getAll('stream');
  }

  accept(connection = 'c1', text = ''): this {
    this._response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8'
    });
    return this.write(
      `retry: 10\n\nevent: sse.open\ndata: {"connection":"${connection}"}\n\n${text}`
    );
  }

  refuse(status: number, headers: Record<string, string> = {}): void {
    this._response.writeHead(status, headers);
    this._response.end(JSON.stringify({ message: `refused ${status}` }));
  }

  write(text: string): this {
    this._response.write(text);
    return this;
  }

  end(): void {
    this._response.end();
  }

  /** Cut the line, as a lost network does. */
  cut(): void {
    this._response.destroy();
  }

  /** Resolves when the page has hung up. */
  get left(): Promise<void> {
    return new Promise(resolve => {
      this._response.once('close', () => resolve());
    });
  }
}

/** A real HTTP server whose answers the test writes by hand. */
export class EventServer {
  static async start(): Promise<EventServer> {
    const server = new EventServer();
    await new Promise<void>(resolve =>
      server._server.listen(0, '127.0.0.1', resolve)
    );
    return server;
  }

  get baseUrl(): string {
    const { port } = this._server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/`;
  }

  /** The next request for streams, in the order they came. */
  next(): Promise<Visit> {
    return this._visits.take();
  }

  /** The next change to a connection; it has been answered with `changeStatus`. */
  nextChange(): Promise<{ url: string; add: string[]; remove: string[] }> {
    return this._changes.take();
  }

  changeStatus = 200;

  async stop(): Promise<void> {
    this._server.closeAllConnections();
    await new Promise(resolve => this._server.close(resolve));
  }

  private _answer(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === 'GET') {
      this._visits.put(new Visit(request, response));
      return;
    }
    let body = '';
    request.on('data', chunk => (body += chunk));
    request.on('end', () => {
      response.writeHead(this.changeStatus).end('{}');
      const { add, remove } = JSON.parse(body) as Record<string, string[]>;
      this._changes.put({ url: request.url!, add, remove });
    });
  }

  private readonly _server: Server = createServer((request, response) =>
    this._answer(request, response)
  );
  private readonly _visits = new Queue<Visit>();
  private readonly _changes = new Queue<{
    url: string;
    add: string[];
    remove: string[];
  }>();
}

class Queue<T> {
  put(item: T): void {
    const taker = this._takers.shift();
    if (taker) {
      taker(item);
    } else {
      this._items.push(item);
    }
  }

  take(): Promise<T> {
    const item = this._items.shift();
    return item === undefined
      ? new Promise(resolve => this._takers.push(resolve))
      : Promise.resolve(item);
  }

  private readonly _items: T[] = [];
  private readonly _takers: ((item: T) => void)[] = [];
}
