// Keeps the whole site in the browser, so that it works without a network after the first visit.

const VERSION = "VERSION";
const FILES = ["FILES"];
// Isolated pages may share memory between threads.
const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

self.addEventListener("install", (event) => {
  event.waitUntil(stored().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(removeOthers().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  // The page promises to send nothing to anyone.
  if (url.origin !== location.origin) event.respondWith(Response.error());
  else if (event.request.method === "GET") event.respondWith(answer(event.request));
});

async function stored() {
  const cache = await caches.open(VERSION);
  await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
}

async function removeOthers() {
  const own = self.registration.scope;
  for (const name of await caches.keys()) {
    if (name === VERSION) continue;
    const kept = await (await caches.open(name)).keys();
    if (kept.every(({ url }) => url.startsWith(own))) await caches.delete(name);
  }
}

async function answer(request) {
  const cache = await caches.open(VERSION);
  const response = (await cache.match(request, { ignoreSearch: true })) ?? (await fetch(request));
  if (!response.ok) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATED)) headers.set(name, value);
  return new Response(response.body, { status: response.status, headers });
}
