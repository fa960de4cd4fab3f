// Server-sent events, read with fetch, which unlike EventSource can send a token and tells why it failed.

/**
 * Yield each event of a stream until it ends.
 *
 * @param {import("./api.js").Api} api
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @yields {{name: string, data: object}}
 */
export async function* events(api, path, signal) {
  const response = await api.fetch(path, { headers: { Accept: "text/event-stream" }, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text = (text + value).replaceAll("\r\n", "\n");
    let end = text.indexOf("\n\n");
    while (end >= 0) {
      const event = parsed(text.slice(0, end));
      if (event) yield event;
      text = text.slice(end + 2);
      end = text.indexOf("\n\n");
    }
  }
}

/** Return the event of some lines, or null if they are a comment that only keeps the connection open. */
function parsed(lines) {
  let name = "message";
  const data = [];
  for (const line of lines.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length ? { name, data: JSON.parse(data.join("\n")) } : null;
}
