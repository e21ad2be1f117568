'use strict';
// Conversations: messages and tools from programs, as JSON for the library, and what it answers, for programs.
const { check, checkOptions, kinds, show } = require('./check.js');
const { jsonSchema, toJson } = require('./schema.js');

const content = {
  what: 'a string, an array of parts, or null',
  is: (value) => typeof value === 'string' || Array.isArray(value) || value === null,
};
const message = {
  role: kinds.string,
  content,
  reasoning: kinds.string,
  toolCalls: kinds.array,
  toolCallId: kinds.string,
  name: kinds.string,
  more: kinds.object,
};
const toolCall = { id: kinds.string, name: kinds.string, arguments: kinds.object };
const tool = { name: kinds.string, description: kinds.string, parameters: { what: 'a schema', is: () => true } };
const openAiTool = { type: kinds.oneOf('function'), function: kinds.object };

/** What a conversation may have beside the options of a generation. */
const chatOptions = { tools: kinds.array, documents: kinds.array, variables: kinds.object, template: kinds.string };

/** Checks an object against a table of which some fields must be there. */
function checkWith(name, given, table, needed) {
  check(name, given, kinds.object);
  const result = checkOptions(given, table, name);
  for (const field of needed) check(`${name}.${field}`, result[field], table[field]);
  return result;
}

function writeToolCall(name, given) {
  const call = checkWith(name, given, toolCall, ['name']);
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments ?? {} } };
}

function writeMessage(name, given) {
  const { reasoning, toolCalls, toolCallId, more, ...rest } = checkWith(name, given, message, ['role']);
  return {
    ...rest,
    reasoning_content: reasoning,
    tool_calls: toolCalls && Array.from(toolCalls, (call, i) => writeToolCall(`${name}.toolCalls[${i}]`, call)),
    tool_call_id: toolCallId,
    ...more,
  };
}

/** The messages of a conversation as JSON. */
function writeMessages(given) {
  if (!Array.isArray(given)) throw new TypeError(`messages must be an array of messages, got ${show(given)}`);
  return toJson('messages', Array.from(given, (each, i) => writeMessage(`messages[${i}]`, each)));
}

function writeTool(name, given) {
  check(name, given, kinds.object);
  if ('function' in given) {
    return writeTool(`${name}.function`, checkWith(name, given, openAiTool, ['function']).function);
  }
  const { parameters = { type: 'object', properties: {} }, ...rest } = checkWith(name, given, tool, ['name']);
  return { type: 'function', function: { ...rest, parameters: jsonSchema(`${name}.parameters`, parameters) } };
}

/** The options of a conversation's template, of which some are JSON for the library. */
function writeChatOptions({ tools, documents, variables, ...rest }) {
  return {
    ...rest,
    tools: tools && toJson('tools', Array.from(tools, (each, i) => writeTool(`tools[${i}]`, each))),
    documents: documents && toJson('documents', documents),
    variables: variables && toJson('variables', variables),
  };
}

const readToolCall = (call) => ({ ...call, arguments: JSON.parse(call.arguments) });

/** The assistant's message, which goes into the conversation as it is. */
function readMessage({ toolCalls, ...rest }) {
  return toolCalls ? { ...rest, toolCalls: toolCalls.map(readToolCall) } : rest;
}

/** A piece of an answer. */
function readPiece(piece) {
  return piece.toolCall ? { ...piece, toolCall: readToolCall(piece.toolCall) } : piece;
}

module.exports = { chatOptions, readMessage, readPiece, writeChatOptions, writeMessages };
