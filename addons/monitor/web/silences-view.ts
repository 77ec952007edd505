import { button, el, moment } from '#addon/web/dom';
import type { Silence } from '../answers.ts';
import { silenceOf } from '../words.ts';
import { Acts } from './acts.ts';
import { messageOf } from './api.ts';
import { ask } from './dialog.ts';
import { Names } from './names.ts';
import { Rows } from './rows.ts';
import { choice, field, gap, line, seen } from './signs.ts';
import type { Shared, View } from './view.ts';

/** What nobody is told of for a time: in force, to come, and over not long ago. */
export class SilencesView implements View {
  readonly element: HTMLElement;
  readonly #shared: Shared;
  readonly #acts: Acts;
  readonly #names: Names;
  readonly #rows = new Rows<Silence>(
    'Silences',
    ({ id }) => id,
    (silence) => this.#row(silence),
  );
  readonly #problem = el('p', { className: 'problem', hidden: true });
  readonly #none = el(
    'div',
    { className: 'empty', hidden: true },
    el('b', {}, 'No silences'),
    'People are told of everything.',
  );

  constructor(shared: Shared) {
    this.#shared = shared;
    this.#names = new Names(shared.host);
    this.#acts = new Acts(shared.host, shared.api, shared.element, shared.again);
    this.element = el(
      'div',
      {},
      line(
        el('span', { className: 'dim' }, 'What is silenced is shown, and nobody is told of it.'),
        gap(),
        this.#acts.may && button('New silence', () => void this.#ask()),
      ),
      el('p'),
      this.#problem,
      this.#none,
      this.#rows.element,
    );
  }

  async show(): Promise<void> {
    try {
      const found = await this.#shared.api.silences();
      await this.#names.learn(found.flatMap(({ device }) => device ?? []));
      this.#problem.hidden = true;
      this.#none.hidden = found.length > 0;
      this.#rows.show(found);
    } catch (error) {
      this.#problem.hidden = false;
      this.#problem.textContent = messageOf(error);
    }
  }

  #row(silence: Silence): HTMLElement {
    const { id, active, starts, ends, reason, created_by: by, ended_by: endedBy } = silence;
    const over = Date.parse(ends) <= Date.now();
    const words = active ? 'in force' : over ? 'over' : 'to come';
    const end = button('End now', () => void this.#end(id), 'quiet');
    end.dataset['act'] = 'end';
    end.ariaLabel = `End the silence of ${silenceOf(silence, (id) => this.#names.of(id))}`;
    return el(
      'li',
      {},
      el(
        'div',
        { className: 'row plain' },
        el('span', { className: `sign ${active ? 'uneasy' : ''}` }, words),
        el(
          'div',
          { className: 'what' },
          el('span', { className: 'name' }, seen(silenceOf(silence, (id) => this.#names.of(id)))),
          el(
            'div',
            { className: 'under' },
            el('span', {}, seen(reason)),
            el('span', {}, 'from ', moment(starts)),
            el('span', {}, 'until ', moment(ends)),
            el('span', {}, `by ${seen(by)}${endedBy === undefined ? '' : `, ended by ${seen(endedBy)}`}`),
          ),
        ),
        el('div', { className: 'does' }, this.#acts.may && !over && end),
      ),
    );
  }

  async #end(id: string): Promise<void> {
    const { api, host, again } = this.#shared;
    try {
      await api.unsilence(id);
      host.notify('The silence is over');
    } catch (error) {
      host.notify(messageOf(error), 'error');
    }
    again();
  }

  async #ask(): Promise<void> {
    const { api, host, element, again } = this.#shared;
    const kind = choice(
      'Of',
      [
        ['group', 'a group'],
        ['check', 'a check on all devices'],
        ['both', 'a check in a group'],
      ],
      'group',
    );
    const group = el('input', { ariaLabel: 'Group', maxLength: 256, spellcheck: false });
    const check = el('input', { ariaLabel: 'Check', maxLength: 256, spellcheck: false });
    const hours = el('input', {
      type: 'number',
      min: '0.1',
      max: '8784',
      step: 'any',
      value: '2',
      required: true,
      ariaLabel: 'Hours',
    });
    const reason = el('input', { required: true, maxLength: 1024, ariaLabel: 'Reason' });
    const ofGroup = field('Group', group);
    const ofCheck = field('Check', check, 'such as disk_root; disk_* for all that begin so');
    const changed = (): void => {
      ofGroup.hidden = kind.value === 'check';
      ofCheck.hidden = kind.value === 'group';
      group.required = !ofGroup.hidden;
      check.required = !ofCheck.hidden;
    };
    kind.addEventListener('change', changed);
    changed();
    const done = await ask(
      element,
      'New silence',
      [field('Of', kind), ofGroup, ofCheck, field('Hours', hours), field('Reason', reason)],
      'Silence',
      () =>
        api.silence({
          ...(ofGroup.hidden ? {} : { group: group.value.trim() }),
          ...(ofCheck.hidden ? {} : { check: check.value.trim() }),
          minutes: Math.max(1, Math.round(Number(hours.value) * 60)),
          reason: reason.value.trim(),
        }),
    );
    if (!done) return;
    host.notify('Silenced');
    again();
  }
}
