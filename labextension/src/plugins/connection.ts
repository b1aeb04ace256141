import { ServerConnection, type ServiceManager } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';

import { systemClock } from '../connection/clock';
import { leaderWay } from '../connection/sharing/leaderWay';
import { browserLocks } from '../connection/sharing/locks';
import type { ILogin } from '../connection/sharing/message';
import { ownWay } from '../connection/sharing/ownWay';
import { TabConnection } from '../connection/sharing/tabConnection';
import type { IWay } from '../connection/sharing/way';
import { workerWay } from '../connection/sharing/workerWay';

/** How long the server may take to say who the user is. */
const IDENTITY_MS = 2_000;

/** Connect this page with its server, by the best way that there is. */
export function makeConnection(
  services: ServiceManager.IManager
): TabConnection {
  const { serverSettings } = services;
  const { baseUrl } = serverSettings;
  const tab = UUID.uuid4();
  const locks = browserLocks();
  const options = { clock: systemClock, locks, frameMs: 0 };
  const own = ownWay({
    ...options,
    request: (url, init) =>
      ServerConnection.makeRequest(url, init, serverSettings)
  });
  const shared: (IWay | null)[] = isPlain(serverSettings)
    ? [workerWay(baseUrl), locks && leaderWay(baseUrl, tab, locks, options)]
    : [];
  return new TabConnection({
    tab,
    ways: [...shared.filter(way => way !== null), own],
    clock: systemClock,
    locks,
    login: () => readLogin(services)
  });
}

/** Let the page tell what happens to it. */
export function attachToPage(connection: TabConnection): void {
  const show = (): void =>
    connection.show(document.visibilityState === 'visible');
  show();
  document.addEventListener('visibilitychange', show);
  // A network that is back: look at once.
  window.addEventListener('online', () => connection.check());
  window.addEventListener('pagehide', () => connection.leave());
  window.addEventListener('pageshow', () => connection.comeBack());
}

/** Whether requests are made by the browser alone: a worker knows of nothing else. */
function isPlain(settings: ServerConnection.ISettings): boolean {
  return settings.fetch === ServerConnection.makeSettings().fetch;
}

async function readLogin(services: ServiceManager.IManager): Promise<ILogin> {
  const { baseUrl, token, init } = services.serverSettings;
  return {
    baseUrl,
    token,
    // A token says by itself who asks. Where it is also the only login, each request has another anonymous user.
    user: token === '' ? await readUser(services.user) : '',
    xsrf: readXsrf(),
    credentials: init.credentials ?? 'same-origin'
  };
}

async function readUser(
  user: ServiceManager.IManager['user']
): Promise<string> {
  await Promise.race([
    user.ready.catch(() => undefined),
    new Promise(resolve => setTimeout(resolve, IDENTITY_MS))
  ]);
  return user.identity?.username ?? '';
}

/** The cookie `_xsrf`; of several the last one, which is the one that the server reads. */
function readXsrf(): string {
  const prefix = '_xsrf=';
  const found = document.cookie
    .split(';')
    .map(part => part.trim())
    .filter(part => part.startsWith(prefix));
  return found.at(-1)?.slice(prefix.length) ?? '';
}
