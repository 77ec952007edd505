import { Command, Option } from 'commander';
import { loadCommands } from '../commands.ts';
import type { Context } from '../context.ts';

export default function completion(command: Command, context: Context): void {
  command
    .command('bash')
    .description('Print what bash needs: put `source <(patchbay completion bash)` into ~/.bashrc.')
    .action(async () => {
      context.io.out.write(bash(await wordsByPath(command.parent, context)));
    });
}

/** ` devices accept` → the words that may follow, for every command and subcommand. */
async function wordsByPath(program: Command | null, context: Context): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  const everywhere = (program?.options ?? []).flatMap(flags);
  const { rows } = await loadCommands(context.env.configFolder);
  found.set('', [...Object.keys(rows), ...everywhere]);
  for (const [name, row] of Object.entries(rows)) {
    const filled = new Command(name);
    await (await row.load()).default(filled, context);
    walk(filled, ` ${name}`);
  }
  return found;

  function walk(command: Command, path: string): void {
    const subcommands = command.commands.map((one) => one.name());
    const usual = command.commands.find((one) => one.summary().includes('(what `patchbay'));
    const options = [...command.options, ...(usual?.options ?? [])].flatMap(flags);
    found.set(path, [...subcommands, ...options, ...everywhere, '--help']);
    for (const one of command.commands) walk(one, `${path} ${one.name()}`);
  }
}

const flags = ({ long, short }: Option): string[] => [long ?? short ?? ''];

function bash(words: ReadonlyMap<string, readonly string[]>): string {
  const paths = [...words.keys()].filter(Boolean).map((path) => `'${path}'`);
  const cases = [...words].map(([path, list]) => `    '${path}') words='${list.join(' ')}' ;;`);
  return `_patchbay() {
  local word=\${COMP_WORDS[COMP_CWORD]} path= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
      ${paths.join(' | ')}) path="$path \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _patchbay patchbay
`;
}
