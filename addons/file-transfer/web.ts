import { messageOf } from '#base/errors';
import { defineWeb } from '#addon/web';
import manifest from './manifest.ts';
import { isFolderMode, isRegularMode, modeText } from './mode.ts';
import type { Entry } from './protocol.ts';
import { Refusal } from './refusal.ts';
import { Remote } from './remote.ts';
import { duration, size } from './words.ts';

/** Between two looks at the progress, ms. */
const interval = 150;

/** The files of the device: look around, take files from it and put files there. */
export default defineWeb(manifest, {
  title: 'Files',
  mount(place, host) {
    type Session = Awaited<ReturnType<typeof host.openSession>>;
    let session: Session | undefined;
    let path = '/';
    let gone = false;
    /** One after the other: a session has one transfer at a time. */
    let turn: Promise<unknown> = Promise.resolve();
    let stop: (() => void) | undefined;

    const where = element('input', { type: 'text', 'aria-label': 'Path', spellcheck: 'false', value: path });
    const up = element('button', { type: 'button' }, 'Up');
    const go = element('button', { type: 'submit' }, 'Open');
    const upload = element('button', { type: 'button' }, 'Upload');
    const chooser = element('input', { type: 'file', multiple: '', hidden: '', 'aria-label': 'Files to upload' });
    const form = element('form', { class: 'files-bar' }, up, where, go, upload, chooser);
    const rows = element('tbody', {});
    const heads = ['Name', 'Size', 'Changed', 'Mode'].map((name) => element('th', {}, name));
    const table = element('table', {}, element('thead', {}, element('tr', {}, ...heads)), rows);
    const note = element('p', { class: 'files-note', role: 'status' });
    const bar = element('progress', { hidden: '' });
    const cancel = element('button', { type: 'button', hidden: '' }, 'Stop');
    const foot = element('div', { class: 'files-foot' }, note, bar, cancel);
    const list = element('div', { class: 'files-list' }, table);
    const root = element('div', { class: 'files' }, element('style', {}, sheet), form, list, foot);
    place.append(root);

    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void open(where.value.trim() || '/');
    });
    up.addEventListener('click', () => void open(parentOf(path)));
    upload.addEventListener('click', () => chooser.click());
    chooser.addEventListener('change', () => {
      void putAll([...(chooser.files ?? [])]);
      chooser.value = '';
    });
    root.addEventListener('dragover', (event) => event.preventDefault());
    root.addEventListener('drop', (event) => {
      event.preventDefault();
      void putAll([...(event.dataTransfer?.files ?? [])]);
    });
    cancel.addEventListener('click', () => stop?.());

    /** Does something with the device's files when it is its turn; what goes wrong is said below the list. */
    async function use(work: (remote: Remote) => Promise<void>): Promise<void> {
      const mine = turn.then(async () => {
        if (gone) return;
        try {
          if (!session || session.signal.aborted) session = await host.openSession();
          await work(new Remote(session));
        } catch (error) {
          // After a refusal the session is as good as before.
          if (!(error instanceof Refusal)) session?.close();
          if (!gone) say(messageOf(error), true);
        } finally {
          bar.hidden = cancel.hidden = true;
          stop = undefined;
        }
      });
      turn = mine;
      await mine;
    }

    /** Is at a path now; what somebody has begun to type meanwhile stays. */
    function stand(at: string): void {
      if (where.value === path) where.value = at;
      path = at;
    }

    const open = (wanted: string): Promise<void> =>
      use(async (remote) => {
        const { mode, size: length } = await remote.stat(wanted);
        if (!isFolderMode(mode ?? 0)) return await download(remote, wanted, length ?? 0);
        if (!remote.extended) {
          stand(wanted);
          rows.replaceChildren();
          return say(
            "This device's Connect daemon is not Patchbay's and lists no folders: type the path of a file.",
            false,
          );
        }
        const entries: Entry[] = [];
        for await (const entry of remote.list(wanted)) entries.push(entry);
        stand(wanted);
        const folders = entries.filter(({ mode }) => isFolderMode(mode ?? 0)).length;
        rows.replaceChildren(...entries.sort(byKindAndName).map(rowOf));
        say(
          entries.length === 0 ? 'The folder is empty.' : `${folders} folders, ${entries.length - folders} files`,
          false,
        );
      });

    function rowOf(entry: Entry): HTMLElement {
      const folder = isFolderMode(entry.mode ?? 0);
      const name = element(
        'button',
        { type: 'button', class: folder ? 'folder' : '' },
        folder ? `${entry.name}/` : entry.name,
      );
      name.disabled = !folder && !isRegularMode(entry.mode ?? 0);
      name.title = folder ? 'Open the folder' : name.disabled ? 'This is no file that can be read' : 'Download';
      name.addEventListener('click', () => void open(joined(path, entry.name)));
      return element(
        'tr',
        {},
        element('td', {}, name),
        element('td', { class: 'number' }, folder ? '' : size(entry.size ?? 0)),
        element('td', {}, entry.modtime ? entry.modtime.toLocaleString() : ''),
        element('td', { class: 'mode' }, modeText(entry.mode ?? 0)),
      );
    }

    /** The browser takes it from the server. Whether the device gives it is found out here, where it can be said. */
    async function download(remote: Remote, from: string, length: number): Promise<void> {
      for await (const _ of remote.read(from, remote.extended ? Math.max(0, length - 1) : 0)) break;
      const route = `/api/management/v1/deviceconnect/devices/${encodeURIComponent(host.device.id)}/download`;
      host.download(`${route}?path=${encodeURIComponent(from)}`, nameOf(from));
      say(`${nameOf(from)}, ${size(length)}, is among the downloads of your browser.`, false);
    }

    async function putAll(files: readonly File[]): Promise<void> {
      const to = path;
      for (const file of files)
        await use(async (remote) => {
          const show = follow(file.name, file.size);
          let stopped = false;
          stop = () => (stopped = true);
          const target = joined(to, file.name);
          await remote.write(
            { path: target, size: file.size, modtime: new Date(file.lastModified) },
            async function* (offset) {
              for (let at = offset; at < file.size; at += 256 * 1024) {
                if (stopped || gone) throw new Refusal('stopped');
                const piece = new Uint8Array(await file.slice(at, at + 256 * 1024).arrayBuffer());
                yield piece;
                show(piece.length);
              }
            },
          );
        });
      if (files.length === 0 || gone) return;
      const said = note.classList.contains('wrong') ? note.textContent : undefined;
      await open(to);
      if (said) say(said, true);
      else say(`${files.length === 1 ? files[0]?.name : `${files.length} files`} uploaded to ${to}`, false);
    }

    /** Shows how far a file is, how fast it goes and for how long. */
    function follow(name: string, total: number): (bytes: number) => void {
      const begun = performance.now();
      let done = 0;
      let shown = 0;
      bar.hidden = cancel.hidden = false;
      bar.max = Math.max(total, 1);
      bar.value = 0;
      return (bytes) => {
        done += bytes;
        const now = performance.now();
        if (now - shown < interval) return;
        shown = now;
        bar.value = done;
        const rate = done / Math.max((now - begun) / 1000, 0.001);
        say(
          `${name}  ${size(done)} of ${size(total)}  ${size(rate)}/s  ${duration((total - done) / rate)} left`,
          false,
        );
      };
    }

    function say(line: string, wrong: boolean): void {
      note.textContent = line;
      note.classList.toggle('wrong', wrong);
    }

    void open(path);
    return () => {
      gone = true;
      stop?.();
      session?.close();
    };
  },
});

const byKindAndName = (a: Entry, b: Entry): number =>
  Number(isFolderMode(b.mode ?? 0)) - Number(isFolderMode(a.mode ?? 0)) || a.name.localeCompare(b.name);
const joined = (folder: string, name: string): string => `${folder === '/' ? '' : folder.replace(/\/+$/, '')}/${name}`;
const parentOf = (path: string): string => path.replace(/\/+$/, '').replace(/\/[^/]*$/, '') || '/';
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** An element of the page with its attributes and what is in it. */
function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>>,
  ...inside: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (value !== '' || key !== 'class') made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

const sheet = `
.files { display: flex; flex-direction: column; height: 100%; min-height: 0; }
.files-bar { display: flex; gap: 8px; padding: 12px 16px; border-bottom: 1px solid #8883; }
.files-bar input[type='text'] { flex: 1; font: 13px ui-monospace, monospace; padding: 6px 8px; border: 1px solid #8886;
  border-radius: 6px; background: transparent; color: inherit; }
.files button { font: inherit; cursor: pointer; color: inherit; background: none; border: 1px solid #8886; border-radius: 6px; padding: 5px 12px; }
.files-list { flex: 1; min-height: 0; overflow: auto; padding: 0 16px; }
.files table { width: 100%; border-collapse: collapse; font-size: 14px; }
.files th { text-align: left; font-weight: 600; padding: 8px 12px 8px 0; position: sticky; top: 0; background: var(--mantine-color-body, Canvas); }
.files td { padding: 3px 12px 3px 0; border-top: 1px solid #8882; white-space: nowrap; }
.files td button { border: 0; padding: 2px 0; text-align: left; }
.files td button:hover:not(:disabled) { text-decoration: underline; }
.files td button:disabled { opacity: 0.5; cursor: default; }
.files .folder { font-weight: 600; }
.files .number { text-align: right; }
.files .mode { font: 12px ui-monospace, monospace; }
.files-foot { display: flex; align-items: center; gap: 12px; min-height: 40px; padding: 4px 16px; border-top: 1px solid #8883; font-size: 13px; }
.files-note { margin: 0; flex: 1; }
.files-note.wrong { color: var(--mantine-color-red-text, #c92a2a); }
`;
