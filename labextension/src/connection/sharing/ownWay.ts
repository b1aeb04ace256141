import type { IHolderOptions } from './exchange';
import { portPair } from './port';
import { Switchboard } from './switchboard';
import type { IWay } from './way';

/** The way that is always there: a connection for this tab alone. */
export function ownWay(options: IHolderOptions): IWay {
  return {
    name: 'own',
    take: events => {
      const switchboard = new Switchboard(options);
      const [port, holderPort] = portPair();
      switchboard.accept(holderPort);
      events.found(port, 'own');
      return () => switchboard.dispose();
    }
  };
}
