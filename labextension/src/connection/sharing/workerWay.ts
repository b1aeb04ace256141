import { VERSION } from './message';
import { channelPort } from './port';
import type { IWay } from './way';

/**
 * The best way: a SharedWorker. It lives as long as any tab, and neither a closing nor a busy tab disturbs it.
 *
 * @param baseUrl - servers of one origin have a worker each
 * @returns `null` where the browser has none
 */
export function workerWay(baseUrl: string): IWay | null {
  if (typeof SharedWorker === 'undefined') {
    return null;
  }
  return {
    name: 'worker',
    take: events => {
      let worker: SharedWorker;
      try {
        // The worker of another build has another address, that of another version another name, too.
        worker = new SharedWorker(new URL('./worker.js', import.meta.url), {
          name: `jupyter_sse ${VERSION} ${baseUrl}`
        });
      } catch (error) {
        events.failed(String(error));
        return () => undefined;
      }
      worker.onerror = () => events.failed('the worker could not be loaded');
      events.found(channelPort(worker.port), 'worker');
      return () => worker.port.close();
    }
  };
}
