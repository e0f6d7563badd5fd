// Shows small images as what they are, pixels, wherever a page shows them much enlarged.

const SMALL = 96; // pixels of the longer side; a photograph is smooth until somebody zooms in
const ENLARGED = { small: 3, large: 8 }; // times

// Whether an image that is fitted into this box is so much larger there that its pixels show.
export function isEnlarged(image, width, height) {
  const { naturalWidth, naturalHeight } = image;
  const least = Math.max(naturalWidth, naturalHeight) <= SMALL ? ENLARGED.small : ENLARGED.large;
  return naturalWidth > 0 && Math.min(width / naturalWidth, height / naturalHeight) >= least;
}

function mark(image) {
  image.classList.toggle("pixels", isEnlarged(image, image.clientWidth, image.clientHeight));
}

// An image may get its place later than its content, or another size with the window.
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) mark(target);
});

// `load` does not bubble, so it is caught on its way down.
document.addEventListener("load", (event) => {
  if (event.target instanceof HTMLImageElement) showPixels([event.target]);
}, true);
showPixels(document.images);

// For images that were loaded before a script put them into the page.
export function showPixels(images) {
  for (const image of images) {
    mark(image);
    sizes.observe(image);
  }
}
