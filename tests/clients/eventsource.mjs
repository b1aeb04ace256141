// Reads a stream with the package `eventsource`, and prints what it gets, one JSON value a line.
//
//   node eventsource.mjs <url>        the token stands in TOKEN

import { EventSource } from 'eventsource';

const authorization = `token ${process.env.TOKEN}`;
const say = value => process.stdout.write(`${JSON.stringify(value)}\n`);

const source = new EventSource(process.argv[2], {
  fetch: (url, init) =>
    fetch(url, { ...init, headers: { ...init.headers, authorization } })
});

source.addEventListener('open', () => say({ kind: 'open' }));
source.addEventListener('error', error => {
  if (source.readyState === EventSource.CLOSED) {
    say({ kind: 'closed', code: error.code });
  }
});
for (const type of ['message', 'sse.gap', 'sse.end']) {
  source.addEventListener(type, event =>
    say({ kind: 'event', type, id: event.lastEventId, data: event.data })
  );
}
