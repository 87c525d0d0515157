// Which files were chosen or dropped, with the folders they lie in: [{file, name}]. Knows nothing of what is done with them.
const ENDINGS = ["pdf", "docx", "html", "htm", "xhtml", "md", "markdown", "txt", "text", "jsonl", "ndjson"];
export const ACCEPT = ENDINGS.map((ending) => `.${ending}`).join(",");

/** Files that were chosen one by one: all of them, so that each that can't be read is told of. */
export const chosen = (files) => [...files].map((file) => ({ file, name: file.name }));

/** Files of a folder: those that can be read, and how many of its files can't be. */
export function ofFolder(found) {
  const named = found.map(({ file, name }) => ({ file, name: name || file.webkitRelativePath || file.name }));
  const readable = ({ name }) => ENDINGS.includes(name.split(".").at(-1).toLowerCase()) && !name.split("/").at(-1).startsWith(".");
  const files = named.filter(readable).sort((one, other) => (one.name < other.name ? -1 : 1));
  return { files, left: named.length - files.length };
}

/** All entries of a folder that was dropped; a browser gives them in parts. */
async function entriesIn(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return all;
    all.push(...part);
  }
}

async function filesIn(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, name: entry.fullPath.replace(/^\//, "") }];
  }
  const within = [];
  for (const one of await entriesIn(entry)) within.push(...await filesIn(one));
  return within;
}

/** What was dropped: {files, left} as `ofFolder` gives it; files that were dropped by themselves are all there. */
export async function dropped(transfer) {
  const alone = [...transfer.files]; // both lists are emptied once the event is over
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const folders = entries.filter((entry) => entry.isDirectory);
  if (!folders.length) return { files: chosen(alone), left: 0 };
  const single = (await Promise.all(entries.filter((entry) => entry.isFile).map(filesIn))).flat();
  const found = [];
  for (const folder of folders) found.push(...await filesIn(folder));
  const { files, left } = ofFolder(found);
  return { files: [...single, ...files], left };
}
