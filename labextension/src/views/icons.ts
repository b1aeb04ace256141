import { LabIcon } from '@jupyterlab/ui-components';

import type { ViewKind } from '../tokens';

/** An icon on the 16 px grid in the theme's colour. */
function icon(name: string, body: string): LabIcon {
  return new LabIcon({
    name: `jupyter_sse:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">${body}</svg>`
  });
}

const fill = (d: string): string =>
  `<path class="jp-icon3" fill="#616161" d="${d}"/>`;
const stroke = (d: string): string =>
  `<path class="jp-icon3-stroke" fill="none" stroke="#616161" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" d="${d}"/>`;

export const streamIcon = icon(
  'stream',
  stroke('M1.5 8h2l2-5 3.5 10 2.5-7 1 2h2')
);
export const pauseIcon = icon('pause', fill('M4 3h3v10H4zM9 3h3v10H9z'));
export const resumeIcon = icon('resume', fill('M4.5 2.5l8.5 5.5-8.5 5.5z'));
export const stopIcon = icon('stop', fill('M3.5 3.5h9v9h-9z'));
export const moreIcon = icon(
  'more',
  fill(
    'M3 9.3a1.3 1.3 0 100-2.6 1.3 1.3 0 000 2.6zM8 9.3a1.3 1.3 0 100-2.6 1.3 1.3 0 000 2.6zM13 9.3a1.3 1.3 0 100-2.6 1.3 1.3 0 000 2.6z'
  )
);
export const caretIcon = icon('caret', fill('M4.5 6.5h7L8 10.5z'));

/** The icon of each view. */
export const kindIcons: { readonly [Kind in ViewKind]: LabIcon } = {
  plot: icon('plot', stroke('M2 2v12h12M4.5 10.5L7 7l2.5 2L14 3.5')),
  log: icon('log', stroke('M2.5 4h11M2.5 8h7.5M2.5 12h9.5')),
  table: icon('table', stroke('M2 3h12v10H2zM2 6.4h12M2 9.7h12M6.5 6.4V13')),
  value: icon(
    'value',
    stroke('M6.5 2.5l-1.5 11M11 2.5l-1.5 11M2.5 6h11.5M2 10h11.5')
  ),
  progress: icon('progress', stroke('M2 6h12v4H2zM3.5 8h5')),
  raw: icon(
    'raw',
    stroke(
      'M6 2.5c-3 0-1 5-3.5 5.5C5 8.5 3 13.5 6 13.5M10 2.5c3 0 1 5 3.5 5.5-2.5.5-.5 5.5-3.5 5.5'
    )
  )
};
