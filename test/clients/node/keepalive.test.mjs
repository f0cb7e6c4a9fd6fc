// salesforce-pubsub-api-client on a quiet topic: the service says every 270 seconds
// at the latest that it is still there. The org's clock is moved instead of waited for,
// which is why this suite has an org of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Inbox } from './lib/inbox.mjs';
import { control } from './lib/org.mjs';
import { connect, orderEvent, toAvro } from './lib/pubsub.mjs';

test('keep-alive on a quiet topic, and events after it', async (t) => {
  const topic = '/event/Order_Event__e';
  const client = await connect(t);
  const inbox = new Inbox();
  client.subscribeFromEarliestEvent(topic, inbox.callback, 10);
  const { replayId } = await client.publish(topic, toAvro(orderEvent('first')));
  await inbox.eventCount(1);

  // The documentation calls it grpcKeepalive; the client says grpcKeepAlive, and
  // hands over no data: the position is in the subscription's info.
  await control('POST', 'clock', { advance: '270s' });
  await inbox.times('grpcKeepAlive', 1);
  await control('POST', 'clock', { advance: '270s' });
  await inbox.times('grpcKeepAlive', 2);
  assert.equal(inbox.events.length, 1);
  assert.equal(inbox.events[0].replayId, replayId);

  const later = await client.publish(topic, toAvro(orderEvent('second')));
  const events = await inbox.eventCount(2);
  assert.equal(events[1].payload.Order_Number__c, 'second');
  assert.equal(events[1].replayId, later.replayId);
});
