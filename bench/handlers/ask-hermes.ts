/** The leaf's call as short as it can be written, for the handlers that ours is measured beside. */
const apiUrl = process.env['API_URL'] ?? '';

/** @throws Error when it is not answered with success */
export async function askHermes(itemKey: string): Promise<string> {
  const [, , troop = '', warrior = '', group = ''] = itemKey
    .replace(/\.json$/, '')
    .split('/')
    .map(decodeURIComponent);
  return askForItem(troop, warrior, group);
}

/** @throws Error when it is not answered with success */
export async function askForItem(troop: string, warrior: string, group: string): Promise<string> {
  const query = new URLSearchParams({ troop, warrior, group });
  const answer = await fetch(`${apiUrl}/data?${query.toString()}`);
  if (!answer.ok) throw new Error(`Hermes answered ${answer.status} for ${query.toString()}.`);
  return answer.text();
}
