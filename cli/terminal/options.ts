/**
 * Reads a command's options from one table, which its help is made of too. A mistake is one line that names the option and
 * what is allowed.
 */
import { parseArgs } from 'node:util';

/** The command line is wrong: exit status 2. The message is one line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'USAGE';
}

type NumberOption = { kind: 'number'; value: string; min: number; max: number; whole: boolean; help: string };
/** Also one word. */
type WordOption<Word extends string = string> = Omit<NumberOption, 'kind'> & { kind: 'number or word'; word: Word };
type TextOption = { kind: 'text'; value: string; help: string };
type ListOption = { kind: 'list'; value: string; help: string };
type FlagOption = { kind: 'flag'; help: string };
export type Option = NumberOption | WordOption | TextOption | ListOption | FlagOption;
export type OptionTable = Readonly<Record<string, Option>>;

/** What was given; an option that was not is absent, so that a command knows the difference to its default. */
export type Given<Options extends OptionTable> = {
  [Name in keyof Options]?: Options[Name] extends NumberOption
    ? number
    : Options[Name] extends WordOption<infer Word>
      ? number | Word
      : Options[Name] extends TextOption
        ? string
        : Options[Name] extends ListOption
          ? string[]
          : boolean;
};

export type GivenValue = number | string | boolean | string[];

export function whole(min: number, max: number, help: string): NumberOption {
  return { kind: 'number', value: 'N', min, max, whole: true, help };
}

export function number(min: number, max: number, help: string): NumberOption {
  return { kind: 'number', value: 'N', min, max, whole: false, help };
}

export function numberOr<const Word extends string>(
  word: Word,
  min: number,
  max: number,
  help: string,
): WordOption<Word> {
  return { kind: 'number or word', word, value: `N|${word}`, min, max, whole: false, help };
}

export function text(value: string, help: string): TextOption {
  return { kind: 'text', value, help };
}

/** May be given more than once. */
export function list(value: string, help: string): ListOption {
  return { kind: 'list', value, help };
}

export function flag(help: string): FlagOption {
  return { kind: 'flag', help };
}

/**
 * @param command how the user typed it, for the messages: `npm start --`
 * @throws UsageError
 */
export function readOptions<Options extends OptionTable>(
  options: Options,
  args: readonly string[],
  command: string,
): Given<Options> {
  const given: Record<string, GivenValue> = {};
  // Not strict: the messages of strict parsing are several lines, and differ from one Node to another.
  const { tokens } = parseArgs({
    args: joinNegatives(args, options),
    options: Object.fromEntries(
      Object.entries(options).map(([name, { kind }]) => [name, { type: kind === 'flag' ? 'boolean' : 'string' }]),
    ),
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      throw new UsageError(`${JSON.stringify(token.value)} is not an option. ${command} --help lists them.`);
    }
    const { name, rawName, value } = token;
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (option === undefined) throw new UsageError(`Unknown option ${rawName}. ${command} --help lists them.`);
    const read = readValue(rawName, option, value);
    if (option.kind === 'list') {
      const before = given[name];
      given[name] = [...(Array.isArray(before) ? before : []), String(read)];
      continue;
    }
    if (Object.hasOwn(given, name)) throw new UsageError(`${rawName} is given twice.`);
    given[name] = read;
  }
  return given as Given<Options>;
}

/**
 * `npm start --rate 5`, without the `--` between, gives the option to npm, which drops it with a word that is easily
 * missed; the run would be another one than asked for.
 * @throws UsageError
 */
export function refuseSwallowed(
  options: OptionTable,
  env: Readonly<Record<string, string | undefined>>,
  command: string,
): void {
  for (const name of Object.keys(options)) {
    // npm has options of its own with these names.
    if (['json', 'help', 'port', 'only', 'yes'].includes(name)) continue;
    if (env[`npm_config_${name.replaceAll('-', '_')}`] !== undefined) {
      throw new UsageError(`npm took --${name} for itself. Put -- before the options: ${command} --${name} …`);
    }
  }
}

function readValue(rawName: string, option: Option, value: string | undefined): number | string | boolean {
  if (option.kind === 'flag') {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value.`);
    return true;
  }
  const isNumber = option.kind === 'number' || option.kind === 'number or word';
  const allowed = isNumber ? rangeOf(option) : option.value;
  if (value === undefined || value === '') throw new UsageError(`${rawName} needs a value: ${allowed}.`);
  if (!isNumber) return value;
  if (option.kind === 'number or word' && value === option.word) return value;
  const parsed = /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  const isRight = parsed >= option.min && parsed <= option.max && (!option.whole || Number.isSafeInteger(parsed));
  if (!isRight) throw new UsageError(`${rawName} must be ${allowed}, not ${JSON.stringify(value)}.`);
  return parsed;
}

function rangeOf(option: NumberOption | WordOption): string {
  const { kind, whole, min, max } = option;
  const range = `${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`;
  return kind === 'number' ? range : `${range}, or ${option.word}`;
}

/** `--port -1` reads as a value that is out of range, not as two options. */
function joinNegatives(args: readonly string[], options: OptionTable): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    const before = joined.at(-1) ?? '';
    const name = before.replace(/^--/, '');
    const takesNumber = Object.hasOwn(options, name) && options[name]?.kind.startsWith('number') === true;
    if (takesNumber && /^-\d/.test(arg)) joined[joined.length - 1] = `${before}=${arg}`;
    else joined.push(arg);
  }
  return joined;
}

/** The table as help, two columns. */
export function helpOf(options: OptionTable): string {
  const rows = Object.entries(options).map(
    ([name, option]) => [`--${name}${option.kind === 'flag' ? '' : ` ${option.value}`}`, option.help] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  const room = 100 - width - 4;
  return rows
    .map(([left, help]) => `  ${left.padEnd(width)}  ${wrap(help, room).join(`\n${' '.repeat(width + 4)}`)}`)
    .join('\n');
}

function wrap(paragraph: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of paragraph.split(' ')) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
