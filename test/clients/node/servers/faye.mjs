// Faye as a Streaming API: replayed events come after the replies, some of them
// twice, because an event is published at the seam between replay and live.
import faye from 'faye';

import { denied, Ledger, serve } from './ledger.mjs';

const ledger = new Ledger();
const node = new faye.NodeAdapter({ mount: '/cometd/67.0', timeout: 3 });
const memory = node._server._engine._engine; // the only way to one client's queue

node.addExtension({
  incoming(message, request, callback) {
    if (request && message.channel.startsWith('/meta/') && !ledger.valid(request)) {
      message.error = message.channel === '/meta/handshake' ? denied.error : '401::Authentication invalid';
    }
    if (message.channel === '/meta/subscribe' && request && !message.error) {
      const { error, events } = ledger.replay(message);
      if (error) {
        message.error = error;
      } else {
        pending.set(message.id, events);
      }
    }
    callback(message);
  },
  outgoing(message, callback) {
    if (message.channel === '/meta/handshake') {
      ledger.handshakes++;
      message.ext = { replay: true };
    }
    if (message.error === denied.error) {
      Object.assign(message, denied);
    } else if (message.error === '401::Authentication invalid') {
      message.advice = { reconnect: 'none', interval: 0 };
    }
    const events = pending.get(message.id);
    if (message.channel === '/meta/subscribe' && message.successful && events) {
      pending.delete(message.id);
      if (events.length > 0) {
        // Live and at once: it goes into the queue, and then again as replayed.
        const live = ledger.append(message.subscription);
        memory.publish({ channel: message.subscription, data: live, id: 'live' }, [message.subscription]);
        queue(message.clientId, message.subscription, [...events, live]);
      }
    }
    callback(message);
  },
});

const pending = new Map(); // subscribe message id -> events to replay

function queue(clientId, channel, events) {
  const waiting = memory._messages.get(clientId) ?? [];
  memory._messages.set(clientId, [...waiting, ...events.map((data) => ({ channel, data, id: 'replay' }))]);
  memory.emptyQueue(clientId);
}

const server = serve(ledger, {
  publish: (channel, data) => node.getClient().publish(channel, data),
  forget: () => {
    for (const clientId of [...memory._clients.keys()]) {
      memory.destroyClient(clientId);
    }
  },
});
node.attach(server);
