// The simulated org that the Go test started for this process.
const described = process.env.SALLYPORT_CLIENTS_ORG;
if (!described) {
  throw new Error('SALLYPORT_CLIENTS_ORG is not set: these suites are started by "go test" in test/clients');
}

export const org = Object.freeze(JSON.parse(described));

// control calls the simulator's own API, which no real org has.
export async function control(method, path, body) {
  const response = await fetch(`${org.url}/_sim/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`${method} /_sim/${path}: ${response.status} ${text}`);
  }
  return text === '' ? undefined : JSON.parse(text);
}

// until asks look again and again until its answer is true.
export async function until(what, look) {
  const deadline = Date.now() + 20_000;
  while (!(await look())) {
    if (Date.now() > deadline) {
      throw new Error(`waited 20 s for ${what}`);
    }
  }
}
