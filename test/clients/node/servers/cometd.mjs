// The CometD project's server as a Streaming API: replayed events come before the
// reply to the subscribe, replies have no clientId, advice comes when it changes.
import cometd from 'cometd-nodejs-server';

import { Ledger, serve } from './ledger.mjs';

const ledger = new Ledger();
const bayeux = cometd.createCometDServer({ timeout: 3000, maxInterval: 4000, sweepPeriod: 100 });
const sessions = new Set();
const refusals = new Map(); // message id -> what the reply says

// Its own refusal: 403::handshake_denied with advice none.
bayeux.policy = {
  canHandshake: (session, message, callback) => callback(null, ledger.valid(bayeux.context.request)),
};

bayeux.addExtension({
  incoming(server, session, message, callback) {
    const refuse = (refusal) => {
      refusals.set(message.id, refusal);
      callback(null, false);
    };
    if (message.channel === '/meta/handshake') {
      ledger.handshakes++;
      sessions.add(session);
      session.addListener('removed', () => sessions.delete(session));
      message.reply.ext = { replay: true };
    } else if (message.channel.startsWith('/meta/') && !ledger.valid(server.context.request)) {
      return refuse({ error: '401::Authentication invalid', advice: { reconnect: 'none', interval: 0 } });
    }
    if (message.channel === '/meta/subscribe') {
      const { error, channel, events } = ledger.replay(message);
      if (error) {
        return refuse({ error });
      }
      session.batch(() => events.forEach((e) => session.deliver(null, channel, e)));
    }
    callback(null, true);
  },
  outgoing(server, sender, session, message, callback) {
    if (refusals.has(message.id)) {
      Object.assign(message, refusals.get(message.id));
      refusals.delete(message.id);
    }
    callback(null, true);
  },
});

serve(ledger, {
  bayeux: bayeux.handle,
  publish: (channel, data) => bayeux.createServerChannel(channel).publish(null, data),
  forget: () => sessions.forEach((session) => session.disconnect()),
});
