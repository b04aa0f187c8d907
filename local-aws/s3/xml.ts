/** Writing the XML that S3 answers with: its escapes, its namespace. */

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';
const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** What may not stand in XML as itself. The control characters are no XML 1.0 even when escaped; S3 sends them so all the same. */
const needsEscape = /[&<>"\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/;
const escapes = /[&<>"\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/g;
const named: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export function escapeXml(text: string): string {
  if (!needsEscape.test(text)) return text;
  return text.replace(escapes, (c) => named[c] ?? `&#x${c.charCodeAt(0).toString(16).toUpperCase()};`);
}

/** An element with text in it. */
export function leaf(name: string, text: string | number | boolean): string {
  return `<${name}>${typeof text === 'string' ? escapeXml(text) : text}</${name}>`;
}

/** An element with elements in it; those that are undefined are left out. */
export function element(name: string, ...children: (string | undefined)[]): string {
  return `<${name}>${children.join('')}</${name}>`;
}

export function document(name: string, ...children: (string | undefined)[]): string {
  return `${declaration}<${name} xmlns="${namespace}">${children.join('')}</${name}>`;
}

/** S3's errors are in no namespace. */
export function errorDocument(fields: Record<string, string>): string {
  return declaration + element('Error', ...Object.entries(fields).map(([name, value]) => leaf(name, value)));
}
