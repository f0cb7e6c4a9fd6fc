// salesforce-pubsub-api-client on a managed subscription: the org keeps the position
// that the client commits. It has an org of its own, because the client cannot end a
// subscription and the suite cuts every connection instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Inbox } from './lib/inbox.mjs';
import { control, until } from './lib/org.mjs';
import { connect, orderEvent, toAvro } from './lib/pubsub.mjs';

const topic = '/event/Order_Event__e';
const numbers = (inbox) => inbox.inOrder().map((event) => event.payload.Order_Number__c);

test('a managed subscription goes on after the committed event', async (t) => {
  const declared = await control('POST', 'managed', {
    developerName: 'Managed_Orders',
    label: 'Managed orders',
    topicName: topic,
    defaultReplay: 'EARLIEST',
    errorRecoveryReplay: 'LATEST',
    state: 'RUN',
  });
  const publisher = await connect(t);
  const published = [];
  for (const number of ['M-1', 'M-2', 'M-3', 'M-4']) {
    published.push(await publisher.publish(topic, toAvro(orderEvent(number))));
  }

  const first = await connect(t);
  const before = new Inbox();
  await first.subscribeWithManagedSubscription('Managed_Orders', before.callback, 3);
  await before.eventCount(3);
  assert.deepEqual(numbers(before), ['M-1', 'M-2', 'M-3']);
  first.commitReplayId(declared.id, published[1].replayId);
  // The client takes the answer to a commit, which has no events, for a keep-alive.
  await before.first('grpcKeepAlive');
  const [{ committed }] = await control('GET', 'managed');
  assert.equal(committed, published[1].replayId);

  await control('POST', 'streams/reset');
  await before.first('error');
  await until('the end of the stream', async () => (await control('GET', 'stats')).pubsub.streams === 0);
  const second = await connect(t);
  const after = new Inbox();
  await second.subscribeWithManagedSubscription(declared.id, after.callback, 2);
  await after.eventCount(2);
  assert.deepEqual(numbers(after), ['M-3', 'M-4']);
  assert.deepEqual(after.inOrder().map((event) => event.replayId), published.slice(2).map((result) => result.replayId));
});

test('a stopped or unknown one is refused before it is asked for', async (t) => {
  await control('POST', 'managed', { developerName: 'Stopped', topicName: topic, state: 'STOP' });
  const client = await connect(t);
  await assert.rejects(client.subscribeWithManagedSubscription('Stopped', () => {}), /is in STOP state/);
  await assert.rejects(client.subscribeWithManagedSubscription('Nothing', () => {}), /Failed to retrieve managed event subscription/);
});
