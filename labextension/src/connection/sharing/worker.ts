import { systemClock } from '../clock';
import { browserLocks } from './locks';
import { channelPort } from './port';
import { Switchboard } from './switchboard';

/** A frame of the screen: more often a tab has no use for news. */
const FRAME_MS = 16;

// A worker that all tabs of one origin share, and that ends with the last of them.
const switchboard = new Switchboard({
  clock: systemClock,
  locks: browserLocks(),
  frameMs: FRAME_MS
});
const scope = self as unknown as {
  onconnect: (event: { readonly ports: readonly MessagePort[] }) => void;
};
scope.onconnect = ({ ports }) => switchboard.accept(channelPort(ports[0]));
