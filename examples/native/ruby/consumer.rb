# Reads a Sallyport route's queue with bunny. The contract is docs/native-consumers.md.
#
#   AMQP_URL     the broker, with the application's own user
#   QUEUE        the route's queue, such as sallyport.orders
#   RETRY_WAITS  the route's retry queues, such as 1,4,16,64; empty for a route that keeps an order
#   ATTEMPTS     how often an event is tried before it becomes a dead letter (8)
require "bunny"
require "json"
require "set"
require "time"

QUEUE = ENV.fetch("QUEUE", "sallyport.orders")
WAITS = ENV.fetch("RETRY_WAITS", "1,4,16,64").split(",").map(&:to_i)
ATTEMPTS = ENV.fetch("ATTEMPTS", "8").to_i
$stdout.sync = true

# The event can never be taken.
class Refused < StandardError; end

# handle is where the application takes an event. This one prints it. So that the rest
# can be seen, {"fail": 2} fails twice and {"refuse": true} is never taken.
def handle(event)
  raise Refused, "refused by the application" if event[:data]["refuse"]
  raise "the application is not ready for it" if event[:data].fetch("fail", 0) >= event[:attempt]

  puts JSON.generate(event)
end

# Consumer takes what a queue hands out, one at a time.
class Consumer
  def initialize(connection)
    @channel = connection.create_channel # of one thread: events are taken one after another
    @channel.confirm_select
    @channel.prefetch(WAITS.empty? ? 1 : 10)
    @queue = @channel.queue(QUEUE, passive: true) # declared by the gateway
    @exchange = @channel.exchange(QUEUE.split(".").first, passive: true)
    @exchange.on_return { |info, properties, _| @returned = [properties[:message_id], info.routing_key] }
    # What was taken before. An event may come twice; keep its id in the application's
    # database, in the transaction that does the work, to know that across restarts.
    @taken = Set.new
  end

  def run
    @consumer = @queue.subscribe(manual_ack: true) do |delivery, properties, body|
      take(delivery, properties, body)
    rescue StandardError => e
      # Such as a queue that is not there: the message comes again after a while.
      warn e.message
      sleep 1
      @channel.nack(delivery.delivery_tag, false, true)
    end
  end

  def stop
    @consumer.cancel
    @channel.work_pool.shutdown(true) # finish what is in hand; the rest goes back to the queue
  end

  private

  def take(delivery, properties, body)
    event = {
      id: properties.message_id, type: properties.type, key: properties.headers["cloudEvents:partitionkey"],
      attempt: properties.headers.fetch("x-sallyport-attempts", 0) + 1, data: JSON.parse(body)
    }
    begin
      handle(event) unless @taken.include?(event[:id])
      @taken << event[:id]
    rescue StandardError => e
      if e.is_a?(Refused) || event[:attempt] >= ATTEMPTS
        bury(properties, body, event, e)
      elsif WAITS.any?
        wait = WAITS[[event[:attempt], WAITS.length].min - 1]
        move(properties, body, "#{QUEUE}.retry.#{wait}", "attempts" => event[:attempt])
      else
        # The route keeps an order: nothing may overtake the event, so it waits here.
        sleep [2**event[:attempt], 60].min
        event[:attempt] += 1
        retry
      end
    end
    @channel.ack(delivery.delivery_tag)
  end

  def bury(properties, body, event, error)
    line = "#{Time.now.utc.iso8601} attempt #{event[:attempt]}: #{error.message}"
    move(properties, body, "#{QUEUE}.dead",
         "attempts" => event[:attempt], "reason" => error.message, "died" => (Time.now.to_f * 1000).to_i,
         "history" => properties.headers.fetch("x-sallyport-history", []) + [line])
  end

  # move publishes a message again, to a retry queue or the dead letters. It returns when
  # the broker has it. Only then may the message be acknowledged.
  def move(properties, body, to, more)
    kept = properties.headers.select { |name, _| name.start_with?("cloudEvents:", "x-sallyport-") }
    headers = kept.merge(more.transform_keys { |name| "x-sallyport-#{name}" })
    @returned = nil
    @exchange.publish(body, routing_key: to, mandatory: true, persistent: true, headers: headers,
                            message_id: properties.message_id, type: properties.type, app_id: properties.app_id,
                            content_type: properties.content_type, timestamp: properties.timestamp&.to_i)
    raise "the broker refused the message" unless @channel.wait_for_confirms
    raise "there is no queue #{to}" if @returned == [properties.message_id, to]
  end
end

connection = Bunny.new(ENV.fetch("AMQP_URL", "amqp://localhost"), connection_name: "#{QUEUE} consumer")
connection.start # and again by itself, when it is lost
consumer = Consumer.new(connection)
consumer.run
stop = Queue.new
%w[TERM INT].each { |signal| trap(signal) { stop << signal } }
stop.pop
consumer.stop
connection.close
