// Fetches what an item shows ahead of time, and makes the element that shows it.

const loaded = new Map(); // item -> its image element

export function prepare(item) {
  const address = item.content.image_url;
  if (!address || loaded.has(item.item_id)) {
    return;
  }
  const image = new Image();
  image.alt = `Item ${item.external_id}`;
  image.draggable = false;
  image.src = address;
  image.decode().catch(() => {}); // what cannot be decoded shows so when its turn comes
  loaded.set(item.item_id, image);
}

export function imageOf(item) {
  prepare(item);
  return loaded.get(item.item_id);
}

export function forget(id) {
  loaded.delete(id);
}

export function isImage(item) {
  return Boolean(item.content.image_url);
}
