import type { RequestFunction } from '../connection';
import type { ILogin } from './message';

/**
 * Requests as JupyterLab's `ServerConnection` makes them, for where there is no page: with the token, or with the
 * cookies and the value of `_xsrf` in a header.
 *
 * @param login - asked for each request: the newest that a tab has told
 */
export function requestAs(login: () => ILogin): RequestFunction {
  return (url, init) => {
    const { baseUrl, token, xsrf, credentials } = login();
    if (!url.startsWith(baseUrl)) {
      throw new Error('expected an address of this server');
    }
    const headers = new Headers(init.headers);
    if (token !== '') {
      headers.set('Authorization', `token ${token}`);
    }
    if (xsrf !== '') {
      headers.set('X-XSRFToken', xsrf);
    }
    if (init.body !== undefined && !headers.has('Content-Type')) {
      headers.set('Content-Type', 'application/json');
    }
    return fetch(url, { cache: 'no-store', ...init, headers, credentials });
  };
}

/** Whether two tabs may share a connection: the same person, at the same server, by the same right. */
export function loginKey({ baseUrl, token, user }: ILogin): string {
  return JSON.stringify([baseUrl, token, user]);
}
