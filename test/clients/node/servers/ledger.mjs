// What both Bayeux servers share: retained events with replay ids, the one valid
// token, and a control API by which the Go test plays the org.
import http from 'node:http';

export class Ledger {
  token = 'T0';
  handshakes = 0;
  subscribes = []; // "channel replay"
  published = {}; // channel -> ids of all events, whether retained or not
  #retained = new Map(); // channel -> events, oldest first
  #oldest = new Map(); // channel -> id up to which events are gone
  #next = 1;

  // valid says whether a request carries the one valid token.
  valid(request) {
    return request?.headers.authorization === `OAuth ${this.token}`;
  }

  // append retains an event and returns what is delivered of it.
  append(channel) {
    const id = this.#next++;
    const event = {
      schema: 'S',
      payload: { CreatedDate: '2026-08-20T18:31:40.517Z', CreatedById: '0055e000001abcDAAQ', N__c: id + 0.5 },
      event: { EventUuid: `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`, replayId: id },
    };
    const all = this.#retained.get(channel) ?? [];
    this.#retained.set(channel, [...all, event]);
    (this.published[channel] ??= []).push(event.event.EventUuid);
    return event;
  }

  // trim lets all retained events of a channel age out.
  trim(channel) {
    this.#oldest.set(channel, this.#next - 1);
    this.#retained.set(channel, []);
  }

  // replay returns the events that a subscribe asks for, or why it is refused.
  replay(message) {
    const channel = [message.subscription].flat()[0];
    const from = message.ext?.replay?.[channel] ?? -1;
    this.subscribes.push(`${channel} ${from}`);
    if (from !== -1 && from !== -2 && from < (this.#oldest.get(channel) ?? 0)) {
      return {
        error: `400::The replayId {${from}} you provided was invalid.  Please provide a valid ID, -2 to replay all events, or -1 to replay only new events.`,
      };
    }
    const all = this.#retained.get(channel) ?? [];
    return { channel, events: from === -1 ? [] : all.filter((e) => e.event.replayId > from) };
  }
}

export const denied = { error: '403::Handshake denied', ext: { sfdc: { failureReason: '401::Authentication invalid' }, replay: true }, advice: { reconnect: 'none' } };

// serve listens, tells its port and ends with its standard input.
export function serve(ledger, { publish, forget, bayeux }) {
  const controls = {
    publish: (q) => Array.from({ length: Number(q.get('n')) }, () => publish(q.get('channel'), ledger.append(q.get('channel')))),
    forget,
    token: (q) => { ledger.token = q.get('value'); },
    trim: (q) => ledger.trim(q.get('channel')),
    stats: () => {},
  };
  const server = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    if (!url.pathname.startsWith('/control/')) {
      return bayeux?.(request, response);
    }
    controls[url.pathname.slice('/control/'.length)](url.searchParams);
    response.setHeader('Connection', 'close');
    response.end(JSON.stringify({ handshakes: ledger.handshakes, subscribes: ledger.subscribes, published: ledger.published }));
  });
  server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
  process.stdin.on('end', () => process.exit(0)).resume();
  return server;
}
