// A JPEG becomes something that can be drawn.

// It takes bytes as they are. A Blob is first handed to the browser's own process, and
// that is waited for: a third of all time with thirty cameras. Only pages that came by
// HTTPS, or from this machine, have it.
const direct = typeof ImageDecoder === "function";

/**
 * Decode a picture.
 *
 * @param picture - with `blob()`, and where its bytes are here, `jpeg`.
 * @returns what `drawImage` takes; it has to be closed.
 */
export async function decode(picture) {
  if (!direct || !picture.jpeg) return createImageBitmap(picture.blob());
  const decoder = new ImageDecoder({type: "image/jpeg", data: picture.jpeg});
  try {
    return (await decoder.decode()).image;
  } finally {
    decoder.close();
  }
}

/** Width and height of what was decoded. */
export function sizeOf(image) {
  return {width: image.displayWidth ?? image.width, height: image.displayHeight ?? image.height};
}
