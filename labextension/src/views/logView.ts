import type { BoundedList } from '../model/boundedList';
import type { ILogLine } from '../model/logStore';
import { splitAnsi } from './ansi';
import { ListView } from './listView';
import { element } from './node';
import { describeGap } from './texts';
import type { IViewHost } from './view';

const ROW_PX = 18;
const ERROR_LEVELS = /^(?:error|critical|fatal|40|50)$/i;
const WARN_LEVELS = /^(?:warn(?:ing)?|30)$/i;

/** Lines of text, the newest at the end. */
export class LogView extends ListView<ILogLine> {
  constructor(host: IViewHost) {
    super(host, ROW_PX);
    this.node.append(this.rows.node);
    this.rows.node.setAttribute('role', 'log');
    this.rows.node.setAttribute('aria-live', 'off');
  }

  readonly node = element('div', 'jp-SseView-log');

  describe(): string {
    const { lines } = this.host.model.log;
    return `Log of ${lines.length} lines. Newest: ${lines.last?.text ?? 'none'}.`;
  }

  protected get items(): BoundedList<ILogLine> {
    return this.host.model.log.lines;
  }

  protected row(line: ILogLine | undefined): HTMLElement {
    const row = element('div', 'jp-SseView-logLine');
    if (line === undefined) {
      return row;
    }
    row.dataset.kind = line.kind;
    if (line.gap !== undefined) {
      row.textContent = `▨ ${describeGap(line.gap)}`;
      return row;
    }
    const { timeFormat } = this.host.context;
    row.append(
      element('span', 'jp-SseView-logTime', timeFormat.exactTime(line.at))
    );
    if (line.level !== '') {
      const level = element('span', 'jp-SseView-logLevel', line.level);
      level.dataset.level = ERROR_LEVELS.test(line.level)
        ? 'error'
        : WARN_LEVELS.test(line.level)
          ? 'warn'
          : '';
      row.append(level);
    }
    const text = element('span', 'jp-SseView-logText');
    for (const span of splitAnsi(line.text)) {
      text.append(
        span.className === ''
          ? span.text
          : element('span', span.className, span.text)
      );
    }
    row.append(text);
    return row;
  }
}
