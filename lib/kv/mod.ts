/**
 * The kv service: a durable key-value store that is spoken to in lines of text or in Redis'
 * protocol, on one port.
 *
 * @module
 */
