// Ready lines for other programs.

/**
 * @param root - the address of camd as seen from here, with a slash at its end.
 * @param name - the camera's.
 * @param title - for people.
 * @returns a list of {label, text}. KEY stands where the reader's key goes.
 */
export function elsewhere(root, name, title) {
  const stream = `${root}api/${encodeURIComponent(name)}/stream?api_key=KEY`;
  const still = stream.replace("/stream?", "/snapshot?");
  const html = title.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
  return [
    {label: "HTML", text: `<img src="${stream}" alt="${html}">`},
    {label: "OpenCV", text: `cv2.VideoCapture("${stream}")`},
    {label: "ffplay", text: `ffplay -fflags nobuffer "${stream}"`},
    {label: "curl", text: `curl -o ${name}.jpg "${still}"`},
    {label: "Home Assistant", text: `MJPEG IP Camera\nMJPEG URL: ${stream}\nStill image URL: ${still}`},
    {label: "OctoPrint", text: `Stream URL: ${stream}\nSnapshot URL: ${still}`},
    {label: "Mainsail", text: `[webcam ${name}]\nservice: mjpegstreamer\nstream_url: ${stream}\nsnapshot_url: ${still}`},
    {label: "ROS 2", text: `ros2 run image_publisher image_publisher_node "${stream}"`},
  ];
}

/** A name for a picture that is kept: camera and capture time in UTC, to the millisecond. */
export function fileName(name, captured) {
  const time = new Date(captured * 1000).toISOString().replaceAll(":", "-").replace("Z", "");
  return `${name}_${time}Z.jpg`;
}
