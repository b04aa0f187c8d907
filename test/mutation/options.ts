/** The options of `npm run mutate`. */
import { flag, list, text, whole, type Given } from '../../cli/terminal/options.ts';

export const command = 'npm run mutate --';

export const defaultSchedules = 300;

export const options = {
  sample: whole(1, 100_000, 'how many mutants, drawn at random (default: all)'),
  seed: whole(
    0,
    2_000_000_000,
    'which sample (default 1); while a line stays as it is, so does its place in the sample',
  ),
  file: text('GLOB', "only mutants of these files, e.g. 'shared/engine/recovery/**'"),
  id: list('ID', 'only this mutant; may be given more than once'),
  schedules: whole(1, 1_000_000, `most schedules of the simulation for each (default ${defaultSchedules})`),
  workers: whole(1, 64, 'mutants at the same time (default: one for each core)'),
  trials: text('FILE', 'add each mutant that was tried to this file, as one line of JSON, as soon as it was'),
  list: flag('print the mutants, and try none'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  help: flag('this text'),
};

export type Options = Given<typeof options>;
