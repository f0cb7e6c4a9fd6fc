// Reads a Sallyport route's queue with amqplib. The contract is docs/native-consumers.md.
//
//   AMQP_URL     the broker, with the application's own user
//   QUEUE        the route's queue, such as sallyport.orders
//   RETRY_WAITS  the route's retry queues, such as 1,4,16,64; empty for a route that keeps an order
//   ATTEMPTS     how often an event is tried before it becomes a dead letter (8)
import amqp from 'amqplib';

const url = process.env.AMQP_URL ?? 'amqp://localhost';
const queue = process.env.QUEUE ?? 'sallyport.orders';
const exchange = queue.slice(0, queue.indexOf('.'));
const waits = (process.env.RETRY_WAITS ?? '1,4,16,64').split(',').filter(Boolean).map(Number);
const attempts = Number(process.env.ATTEMPTS ?? 8);

class Refused extends Error {} // the event can never be taken

// handle is where the application takes an event. This one prints it. So that the rest
// can be seen, {"fail": 2} fails twice and {"refuse": true} is never taken.
async function handle(event) {
  if (event.data.refuse) throw new Refused('refused by the application');
  if (event.data.fail >= event.attempt) throw new Error('the application is not ready for it');
  console.log(JSON.stringify(event));
}

// What was taken before. An event may come twice; keep its id in the application's
// database, in the transaction that does the work, to know that across restarts.
const taken = new Set();

function read(message) {
  const h = message.properties.headers;
  return {
    id: message.properties.messageId,
    type: message.properties.type,
    key: h['cloudEvents:partitionkey'],
    attempt: (h['x-sallyport-attempts'] ?? 0) + 1,
    data: JSON.parse(message.content),
  };
}

// move publishes a message again, to a retry queue or the dead letters, and
// settles when the broker has it. Only then may the message be acknowledged.
function move(channel, message, to, more) {
  const p = message.properties;
  const kept = Object.entries(p.headers).filter(([name]) => /^(cloudEvents:|x-sallyport-)/.test(name));
  return new Promise((resolve, reject) => {
    const returned = (back) => back.properties.messageId === p.messageId && back.fields.routingKey === to && reject(new Error(`there is no queue ${to}`));
    channel.on('return', returned);
    const options = {
      headers: { ...Object.fromEntries(kept), ...more },
      messageId: p.messageId, type: p.type, contentType: p.contentType, appId: p.appId, timestamp: p.timestamp,
      persistent: true, mandatory: true,
    };
    channel.publish(exchange, to, message.content, options, (err) => {
      channel.off('return', returned);
      err ? reject(err) : resolve();
    });
  });
}

function bury(channel, message, event, err) {
  const history = message.properties.headers['x-sallyport-history'] ?? [];
  return move(channel, message, `${queue}.dead`, {
    'x-sallyport-attempts': event.attempt,
    'x-sallyport-reason': err.message,
    'x-sallyport-died': Date.now(),
    'x-sallyport-history': [...history, `${new Date().toISOString()} attempt ${event.attempt}: ${err.message}`],
  });
}

async function take(channel, message) {
  const event = read(message);
  for (;;) {
    try {
      if (!taken.has(event.id)) await handle(event);
      taken.add(event.id);
      break;
    } catch (err) {
      if (err instanceof Refused || event.attempt >= attempts) {
        await bury(channel, message, event, err);
        break;
      }
      if (waits.length > 0) {
        const wait = waits[Math.min(event.attempt, waits.length) - 1];
        await move(channel, message, `${queue}.retry.${wait}`, { 'x-sallyport-attempts': event.attempt });
        break;
      }
      // The route keeps an order: nothing may overtake the event, so it waits here.
      await new Promise((wake) => setTimeout(wake, Math.min(1000 * 2 ** event.attempt, 60_000)));
      event.attempt++;
    }
  }
  channel.ack(message);
}

// session consumes until the connection is lost, or until it is told to stop.
async function session(stop) {
  const connection = await amqp.connect(url, { clientProperties: { connection_name: `${queue} consumer` } });
  const lost = new Promise((resolve) => connection.on('close', resolve));
  connection.on('error', (err) => console.error(`connection: ${err.message}`));
  const channel = await connection.createConfirmChannel();
  channel.on('error', (err) => console.error(`channel: ${err.message}`));
  channel.on('close', () => connection.close().catch(() => {}));
  await channel.prefetch(waits.length > 0 ? 10 : 1);
  const inHand = new Set();
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (message === null) return connection.close(); // the queue was deleted or moved
    // Whatever fails here, such as a queue that is not there, leaves the message
    // unacknowledged: it comes again when the connection has gone.
    const work = take(channel, message).catch((err) => {
      console.error(err.message);
      return connection.close().catch(() => {});
    });
    inHand.add(work);
    work.finally(() => inHand.delete(work));
  });
  await Promise.race([lost, stop]);
  await channel.cancel(consumerTag).catch(() => {});
  await Promise.allSettled(inHand); // finish what is in hand; the rest goes back to the queue
  await connection.close().catch(() => {});
}

let stopping = false;
const stop = new Promise((resolve) => {
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => { stopping = true; resolve(); });
});
for (let fails = 0; !stopping; ) {
  const began = Date.now();
  await session(stop).catch((err) => console.error(err.message));
  fails = Date.now() - began > 10_000 ? 0 : fails + 1;
  if (!stopping) await Promise.race([stop, new Promise((wake) => setTimeout(wake, Math.min(200 * 2 ** fails, 10_000)))]);
}
