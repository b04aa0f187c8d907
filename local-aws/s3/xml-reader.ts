/**
 * Reading the three small documents that S3 is sent (what to delete, which parts, where a bucket goes). What is not
 * well-formed is refused, and DTDs are: nothing S3 is sent needs an entity of its own. (The XML parsers on npm forgive
 * a document cut short, and a deletion must not be guessed at.)
 */
import { S3Error } from './errors.ts';

export interface XmlElement {
  name: string;
  children: XmlElement[];
  text: string;
}

const tokens = /<\?.*?\?>|<!--.*?-->|<\/([^\s>]+)\s*>|<([^\s/>!?]+)(?:\s[^<>]*?)?(\/?)>|([^<]+)/gsy;
const entity = /&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));|&/g;
const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The root element, which must have that name. Throws MalformedXML. */
export function readXml(body: Uint8Array, rootName: string): XmlElement {
  const xml = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    .toString()
    .replace(/^\ufeff/, '');
  const document: XmlElement = { name: '', children: [], text: '' };
  const open = [document];
  let at = 0;
  for (const found of xml.matchAll(tokens)) {
    at = found.index + found[0].length;
    const [, closes, opens, empty, text] = found;
    const current = open.at(-1) ?? document;
    if (text !== undefined) {
      current.text += decodeEntities(text);
    } else if (opens !== undefined) {
      const element = { name: opens.replace(/^.*:/, ''), children: [], text: '' };
      current.children.push(element);
      if (empty === '') open.push(element);
    } else if (closes !== undefined && (open.length === 1 || open.pop()?.name !== closes.replace(/^.*:/, ''))) {
      throw malformedXml();
    }
  }
  const [root] = document.children;
  const isWhole = at === xml.length && open.length === 1 && document.children.length === 1;
  if (!isWhole || root?.name !== rootName || document.text.trim() !== '') throw malformedXml();
  return root;
}

export function childrenOf(parent: XmlElement, name: string): XmlElement[] {
  return parent.children.filter((child) => child.name === name);
}

/** The text of the first child of that name, spaces and all: a key may begin or end with them. */
export function textOf(parent: XmlElement, name: string): string | undefined {
  return parent.children.find((child) => child.name === name)?.text;
}

export function malformedXml(): S3Error {
  return new S3Error(
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  );
}

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(entity, (_, name?: string, decimal?: string, hex?: string) => {
    if (name !== undefined) return named[name] ?? '';
    const codePoint = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
    if (Number.isNaN(codePoint) || codePoint > 0x10ffff) throw malformedXml();
    return String.fromCodePoint(codePoint);
  });
}
