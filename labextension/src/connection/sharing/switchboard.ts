import { Exchange, type IHolderOptions } from './exchange';
import { loginKey } from './login';
import type { Member } from './member';
import { type ToHolder, VERSION } from './message';
import type { HolderPort } from './port';

/** Where tabs come in: each is connected to the exchange of its login. */
export class Switchboard {
  constructor(private readonly _options: IHolderOptions) {}

  /** Listen to a tab. */
  accept(port: HolderPort): void {
    let place: { exchange: Exchange; member: Member } | null = null;
    port.listen(message => {
      if (message.kind === 'hello') {
        place?.exchange.dismiss(place.member);
        place = this._admit(message, port);
      } else {
        place?.exchange.hear(place.member, message);
      }
    });
  }

  /** Close all connections. */
  dispose(): void {
    this._exchanges.forEach(exchange => exchange.dispose());
    this._exchanges.clear();
  }

  private _admit(
    hello: Extract<ToHolder, { kind: 'hello' }>,
    port: HolderPort
  ): { exchange: Exchange; member: Member } | null {
    if (hello.version !== VERSION) {
      const reason = `it is version ${VERSION}, not ${hello.version}`;
      port.post({ kind: 'refused', reason });
      return null;
    }
    const key = loginKey(hello.login);
    let exchange = this._exchanges.get(key);
    if (exchange === undefined) {
      exchange = new Exchange(hello.login, this._options, () =>
        this._exchanges.delete(key)
      );
      this._exchanges.set(key, exchange);
    }
    return { exchange, member: exchange.admit(hello, port) };
  }

  private readonly _exchanges = new Map<string, Exchange>();
}
