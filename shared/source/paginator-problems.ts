import type { Paginator } from './request-declaration.ts';
import {
  bodyPlace,
  checkFields,
  filledText,
  flag,
  headerName,
  jsonPath,
  show,
  wholeNumber,
  type Fields,
  type Say,
} from './field-checks.ts';

const counted: Fields = { param: filledText, body: bodyPlace, sizeBody: bodyPlace, stopAtShortPage: flag };

const paginators: Readonly<Record<Paginator['type'], { fields: Fields; required: readonly string[] }>> = {
  singlePage: { fields: {}, required: [] },
  jsonLink: { fields: { path: jsonPath }, required: ['path'] },
  headerLink: { fields: { rel: filledText }, required: ['rel'] },
  cursor: { fields: { path: jsonPath, param: filledText, body: bodyPlace }, required: ['path'] },
  headerCursor: { fields: { header: headerName, param: filledText, body: bodyPlace }, required: ['header'] },
  offset: {
    fields: { limit: wholeNumber(1), limitParam: filledText, total: jsonPath, ...counted },
    required: ['limit'],
  },
  pageNumber: {
    fields: { first: wholeNumber(0), size: wholeNumber(1), sizeParam: filledText, totalPages: jsonPath, ...counted },
    required: [],
  },
};

export function paginatorProblems(next: Readonly<Record<string, unknown>>, isPost: boolean, say: Say): void {
  const { type, ...fields } = next;
  const known = typeof type === 'string' && Object.hasOwn(paginators, type) ? type : undefined;
  if (known === undefined) {
    say('next', `must be made by ${Object.keys(paginators).join(', ')}, not ${show(next)}`);
    return;
  }
  const paginator = paginators[known as Paginator['type']];
  checkFields(fields, paginator.fields, paginator.required, say, 'next.');
  for (const [place, other] of [
    ['body', 'param'],
    ['sizeBody', known === 'offset' ? 'limitParam' : 'sizeParam'],
  ] as const) {
    if (fields[place] === undefined) continue;
    if (!isPost) say(`next.${place}`, "needs a body to be put into: set method: 'POST'");
    if (fields[other] !== undefined) say(`next.${place}`, `can not stand with ${other}: remove one of the two`);
  }
  if (fields['stopAtShortPage'] === true && known === 'pageNumber' && fields['size'] === undefined)
    say('next.stopAtShortPage', 'needs size, to tell which page is short');
}
