// Inbox is a subscribe (or publish) callback that keeps what it is called with, in
// order, and lets a test wait for it.
const DEADLINE_MS = 20_000;

export class Inbox {
  events = [];
  calls = [];
  #waiting = new Set();

  // callback is what the client is given.
  callback = (info, type, data) => {
    this.calls.push({ type, data, received: info.receivedEventCount, requested: info.requestedEventCount });
    if (type === 'event') {
      this.events.push(data);
    }
    for (const check of [...this.#waiting]) {
      check();
    }
  };

  // inOrder lists the events by replay id. The client fetches a schema that it does
  // not know yet once for every response that waits for it, and hands the responses
  // over in the order in which the schemas come back: the first events of a
  // subscription may be out of order, though none is lost or doubled. The order on
  // the wire is what ArrivalLog checks.
  inOrder() {
    return [...this.events].sort((a, b) => a.replayId - b.replayId);
  }

  // ofType lists the data of the calls of one type.
  ofType(type) {
    return this.calls.filter((call) => call.type === type).map((call) => call.data);
  }

  // eventCount waits until n events are there and returns them all. An error that
  // the client reports ends the wait.
  eventCount(n) {
    return this.#until(`${n} events`, () => {
      const [failure] = this.ofType('error');
      if (failure && this.events.length < n) {
        throw new Error(`subscription failed after ${this.events.length} events`, { cause: failure });
      }
      return this.events.length >= n ? this.events : undefined;
    });
  }

  // first waits for the first call of a type and returns the call.
  first(type) {
    return this.#until(`a ${type} call`, () => this.calls.find((call) => call.type === type));
  }

  // times waits until there were n calls of a type and returns their data.
  times(type, n) {
    return this.#until(`${n} ${type} calls`, () => (this.ofType(type).length >= n ? this.ofType(type) : undefined));
  }

  #until(what, look) {
    return new Promise((resolve, reject) => {
      let timer;
      const settle = (fn, value) => {
        this.#waiting.delete(check);
        clearTimeout(timer);
        fn(value);
      };
      const check = () => {
        try {
          const found = look();
          if (found !== undefined) {
            settle(resolve, found);
          }
        } catch (error) {
          settle(reject, error);
        }
      };
      timer = setTimeout(() => {
        const seen = this.calls.map((call) => call.type).join(' ') || 'nothing';
        settle(reject, new Error(`waited ${DEADLINE_MS} ms for ${what}; saw ${seen}`));
      }, DEADLINE_MS);
      this.#waiting.add(check);
      check();
    });
  }
}
