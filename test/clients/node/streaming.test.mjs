// The Streaming API through the Bayeux clients of CometD, Faye and jsforce.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { StreamingExtension } from '@jsforce/jsforce-node/lib/api/streaming.js';
import jsforce from '@jsforce/jsforce-node';

import { Mailbox, cometd, fayeClient, fayeSubscribe, subscribe, token } from './lib/bayeux.mjs';
import { control, org } from './lib/org.mjs';

const orders = '/event/Order_Event__e';

const publish = async (event, ...numbers) =>
  (await control('POST', 'publish', { event, events: numbers.map((n) => ({ Order_Number__c: n, Amount__c: 3 })) })).ids;
const numbers = (messages) => messages.map((m) => m.data.payload.Order_Number__c);
const ids = (messages) => messages.map((m) => m.data.event.EventUuid);

async function rest(accessToken, method, path, body) {
  const response = await fetch(`${org.url}/services/data/v67.0/${path}`, {
    method,
    headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

test('cometd: what was published before is replayed, then what comes', async (t) => {
  const before = await publish('Order_Event__e', 'C-1', 'C-2');
  const client = await cometd(t, { replays: new Map([[orders, -2]]) });
  const mailbox = await subscribe(client, orders);
  await mailbox.count(2);
  const after = await publish('Order_Event__e', 'C-3');
  const messages = await mailbox.count(3);
  assert.deepEqual(numbers(messages), ['C-1', 'C-2', 'C-3']);
  assert.deepEqual(ids(messages), [...before, ...after]);
  const [{ data, channel }] = messages;
  assert.equal(channel, orders);
  assert.equal(data.payload.Amount__c, 3);
  assert.equal(data.payload.Notes__c, null);
  assert.equal(data.payload.Paid__c, false);
  assert.equal(data.payload.CreatedById, org.userId);
  assert.match(data.payload.CreatedDate, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.match(data.schema, /^[\w-]{22}$/);

  const second = await cometd(t, { replays: new Map([[orders, data.event.replayId]]) });
  assert.deepEqual(numbers(await (await subscribe(second, orders)).count(2)), ['C-2', 'C-3']);
});

test('cometd: forgotten by the server, it shakes hands again and goes on without a loss', async (t) => {
  const topic = '/event/Replay_Event__e';
  const client = await cometd(t, { replays: new Map([[topic, -1]]) });
  const mailbox = await subscribe(client, topic);
  client.addListener('/meta/handshake', (reply) => {
    if (reply.successful) {
      client.subscribe(topic, mailbox.deliver);
    }
  });
  for (let round = 1; round <= 3; round++) {
    await publish('Replay_Event__e', `R-${round}a`);
    await mailbox.count(2 * round - 1);
    await control('POST', 'streams/reset');
    await publish('Replay_Event__e', `R-${round}b`);
    await mailbox.count(2 * round);
  }
  assert.deepEqual(numbers(mailbox.messages), ['R-1a', 'R-1b', 'R-2a', 'R-2b', 'R-3a', 'R-3b']);
  assert.match((await client.failures.count(1))[0].error, /^403::Unknown client$/);
});

test('cometd: a revoked token ends it, a new one goes on after the last event', async (t) => {
  const topic = '/event/Single_Event__e';
  const client = await cometd(t, { replays: new Map([[topic, -1]]) });
  const mailbox = await subscribe(client, topic);
  await publish('Single_Event__e', 'S-1');
  await mailbox.count(1);
  await control('POST', 'tokens/revoke', { token: client.token });
  const [failure] = await client.failures.count(1);
  assert.equal(failure.error, '401::Authentication invalid');
  assert.equal(failure.advice.reconnect, 'none');
  await publish('Single_Event__e', 'S-2');
  await assert.rejects(cometd(t, { accessToken: client.token }), ({ reply }) => {
    assert.equal(reply.error, '403::Handshake denied');
    assert.equal(reply.ext.sfdc.failureReason, '401::Authentication invalid');
    return true;
  });
  const next = await cometd(t, { replays: client.replays });
  assert.deepEqual(numbers(await (await subscribe(next, topic)).count(1)), ['S-2']);
});

test('cometd: a change event has names instead of bitmaps, a PushTopic its query', async (t) => {
  const accessToken = await token();
  const made = await rest(accessToken, 'POST', 'sobjects/PushTopic', {
    Name: 'Accounts', Query: "SELECT Id, Name FROM Account WHERE Name LIKE 'Stream%'", ApiVersion: 67.0, NotifyForFields: 'Referenced',
  });
  assert.equal(made.status, 201);
  const found = await rest(accessToken, 'GET', `query?q=${encodeURIComponent("SELECT Id, Query FROM PushTopic WHERE Name = 'Accounts'")}`);
  assert.equal(found.body.records[0].Id, made.body.id);
  const client = await cometd(t, { replays: new Map() });
  const changes = await subscribe(client, '/data/AccountChangeEvent');
  const topic = await subscribe(client, '/topic/Accounts');
  const account = await rest(accessToken, 'POST', 'sobjects/Account', { Name: 'Streamline', Phone: '1', BillingCity: 'Reno' });
  await rest(accessToken, 'PATCH', `sobjects/Account/${account.body.id}`, { Phone: null, BillingCity: 'Elko' });
  const [create, update] = await changes.count(2);
  const header = create.data.payload.ChangeEventHeader;
  assert.deepEqual(header.recordIds, [account.body.id]);
  assert.equal(header.changeType, 'CREATE');
  assert.equal('nulledFields' in header || 'diffFields' in header, false);
  assert.deepEqual(create.data.payload.BillingAddress, { City: 'Reno' });
  assert.equal('Industry' in create.data.payload, false);
  assert.deepEqual(update.data.payload.ChangeEventHeader.changedFields.sort(), ['BillingAddress.City', 'Phone']
    .concat('LastModifiedDate' in update.data.payload ? ['LastModifiedDate'] : []).sort());
  assert.equal(update.data.payload.Phone, null);
  assert.equal('Name' in update.data.payload, false);
  const [told] = await topic.count(1);
  assert.equal(told.data.event.type, 'created');
  assert.deepEqual(told.data.sobject, { Id: account.body.id, Name: 'Streamline' });
  await assert.rejects(subscribe(client, '/topic/None'), /^Error: 400::The channel you requested to subscribe to doesn't exist \{\/topic\/None\}$/);
});

test('faye: fails over from a web socket, is replayed, hears more, unsubscribes', async (t) => {
  const topic = '/event/Batch_Event__e';
  await publish('Batch_Event__e', 'F-1', 'F-2');
  const client = fayeClient(t, await token(), new Map([[topic, -2]]));
  const { mailbox, subscription } = await fayeSubscribe(client, topic);
  assert.deepEqual((await mailbox.count(2)).map((m) => m.payload.Order_Number__c), ['F-1', 'F-2']);
  await publish('Batch_Event__e', 'F-3');
  const [, , third] = await mailbox.count(3);
  assert.equal(third.payload.Order_Number__c, 'F-3');
  subscription.cancel();

  const later = fayeClient(t, await token(), new Map([[topic, mailbox.messages[0].event.replayId]]));
  const again = await fayeSubscribe(later, topic);
  assert.deepEqual((await again.mailbox.count(2)).map((m) => m.payload.Order_Number__c), ['F-2', 'F-3']);
  await assert.rejects(fayeSubscribe(later, '/event/None__e'), (error) => /doesn't exist/.test(`${error.params} ${error.message}`));
});

test('jsforce: its streaming client with the replay extension', async (t) => {
  const topic = '/event/Credit_Event__e';
  await publish('Credit_Event__e', 'J-1');
  const conn = new jsforce.Connection({ instanceUrl: org.url, accessToken: await token(), version: '60.0' });
  const client = conn.streaming.createClient([new StreamingExtension.Replay(topic, -2)]);
  t.after(() => client.disconnect());
  const mailbox = new Mailbox();
  client.subscribe(topic, mailbox.deliver);
  await mailbox.count(1);
  await publish('Credit_Event__e', 'J-2');
  assert.deepEqual((await mailbox.count(2)).map((m) => m.payload.Order_Number__c), ['J-1', 'J-2']);
});
