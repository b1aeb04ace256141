import { MenuSvg } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';

/** One line of a menu; `null` in a list of them is a separator. */
export interface IMenuEntry {
  readonly label: string;
  readonly isChecked?: boolean;
  readonly isEnabled?: boolean;
  run(): void;
}

/** Open a menu below an element, in JupyterLab's own look and with its keys. */
export function openMenu(
  anchor: HTMLElement,
  entries: readonly (IMenuEntry | null)[]
): void {
  const commands = new CommandRegistry();
  const menu = new MenuSvg({ commands });
  entries.forEach((entry, i) => {
    if (entry === null) {
      menu.addItem({ type: 'separator' });
      return;
    }
    commands.addCommand(String(i), {
      label: entry.label,
      isToggled: () => entry.isChecked === true,
      isToggleable: entry.isChecked !== undefined,
      isEnabled: () => entry.isEnabled !== false,
      execute: () => entry.run()
    });
    menu.addItem({ command: String(i) });
  });
  menu.aboutToClose.connect(() => {
    // The chosen command runs after this.
    setTimeout(() => menu.dispose());
    anchor.focus();
  });
  const { left, bottom } = anchor.getBoundingClientRect();
  menu.open(left, bottom + 2);
}
