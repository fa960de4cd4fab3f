// Server-sent events, read with fetch: unlike EventSource it can carry a token, and it says why it failed.

/**
 * Every event of a stream until it ends.
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

/** One event of its lines, or null where they are only a comment that keeps the line open. */
function parsed(lines) {
  let name = "message";
  const data = [];
  for (const line of lines.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length ? { name, data: JSON.parse(data.join("\n")) } : null;
}
