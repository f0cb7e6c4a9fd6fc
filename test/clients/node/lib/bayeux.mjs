// Two Bayeux clients by others, set up for the org: CometD's and Faye's.
import { CometD } from 'cometd';
import { adapt } from 'cometd-nodejs-client';
import faye from 'faye';

import { org } from './org.mjs';

// Once: it makes the cookie jar that all clients of the process share.
adapt();

const DEADLINE_MS = 20_000;

// token logs in and returns an access token.
export async function token() {
  const response = await fetch(`${org.url}/services/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: org.clientId, client_secret: org.clientSecret }),
  });
  return (await response.json()).access_token;
}

// Mailbox keeps the events of a channel in the order in which they came, and lets
// a test wait for more of them.
export class Mailbox {
  messages = [];
  #waiting = new Set();

  deliver = (message) => {
    this.messages.push(message);
    for (const check of [...this.#waiting]) {
      check();
    }
  };

  // count waits until n events are there and returns them all.
  count(n) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.messages.length} of ${n} events came`)), DEADLINE_MS);
      const check = () => {
        if (this.messages.length >= n) {
          clearTimeout(timer);
          this.#waiting.delete(check);
          resolve(this.messages);
        }
      };
      this.#waiting.add(check);
      check();
    });
  }
}

// replays is what a client wants to be replayed: channel -> id.
function withReplay(message, replays) {
  if (message.channel === '/meta/handshake' || message.channel === '/meta/subscribe') {
    message.ext = { ...message.ext, replay: message.channel === '/meta/handshake' ? true : Object.fromEntries(replays) };
  }
  return message;
}

// cometd returns a connected client of cometd and cometd-nodejs-client. Its replays
// follow the events: what has come is not asked for again.
export async function cometd(t, { version = '67.0', accessToken, replays = new Map() } = {}) {
  const client = new CometD();
  client.replays = replays;
  client.token = accessToken ?? (await token());
  client.failures = new Mailbox();
  client.unregisterTransport('websocket');
  client.configure({ url: `${org.url}/cometd/${version}`, requestHeaders: { Authorization: `OAuth ${client.token}` }, backoffIncrement: 10 });
  client.registerExtension('replay', {
    outgoing: (message) => withReplay(message, replays),
    incoming: (message) => {
      const replayId = message.data?.event?.replayId;
      if (replayId) {
        replays.set(message.channel, replayId);
      }
      return message;
    },
  });
  client.addListener('/meta/connect', (reply) => {
    if (!reply.successful) {
      client.failures.deliver(reply);
    }
  });
  t.after(() => new Promise((resolve) => {
    client.isDisconnected() ? resolve() : client.disconnect(resolve);
  }));
  const reply = await new Promise((resolve) => {
    client.handshake(resolve);
  });
  if (!reply.successful) {
    throw Object.assign(new Error(`handshake: ${reply.error}`), { reply });
  }
  return client;
}

// subscribe waits for the org's consent and returns the events' mailbox.
export async function subscribe(client, channel) {
  const mailbox = new Mailbox();
  const reply = await new Promise((resolve) => {
    client.subscribe(channel, mailbox.deliver, resolve);
  });
  if (!reply.successful) {
    throw new Error(reply.error);
  }
  return mailbox;
}

// fayeClient returns a client of faye with the replay extension. It tries a web
// socket first, as every faye client does. It is not async: faye's client has a then
// of its own, which an await would wait for.
export function fayeClient(t, accessToken, replays) {
  const client = new faye.Client(`${org.url}/cometd/67.0`, { retry: 0.05 });
  client.setHeader('Authorization', `OAuth ${accessToken}`);
  client.addExtension({ outgoing: (message, callback) => callback(withReplay(message, replays)) });
  t.after(() => client.disconnect());
  return client;
}

// fayeSubscribe is subscribe for a faye client.
export async function fayeSubscribe(client, channel) {
  const mailbox = new Mailbox();
  const subscription = client.subscribe(channel, mailbox.deliver);
  await new Promise((resolve, reject) => {
    subscription.then(resolve, reject);
  });
  return { mailbox, subscription };
}
