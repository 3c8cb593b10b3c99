// Shows the API's description and tries its calls with the proof that the browser has.
'use strict';

let description = {};
let csrf = null;

// An element with its text and children. Texts of the server are never read as HTML.
function element(name, attributes, ...children) {
  const out = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) out.setAttribute(key, value);
  out.append(...children);
  return out;
}

function resolve(thing) {
  while (thing && thing.$ref) {
    let found = description;
    for (const part of thing.$ref.slice(2).split('/')) found = found[part];
    thing = found;
  }
  return thing || {};
}

function typeOf(schema) {
  const type = schema.type || (schema.oneOf ? 'object' : '');
  return Array.isArray(type) ? type[0] : type;
}

// A body to begin with: the members that have to be there, and those that have a default.
function example(schema, depth = 0) {
  schema = resolve(schema);
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  switch (typeOf(schema)) {
    case 'object': {
      const out = {};
      if (depth > 4) return out;
      for (const name of schema.required || []) out[name] = example((schema.properties || {})[name], depth + 1);
      return out;
    }
    case 'array': return [];
    case 'integer': return schema.minimum || 0;
    case 'boolean': return false;
    default: return '';
  }
}

function members(schema) {
  schema = resolve(schema);
  const list = element('ul');
  for (const [name, given] of Object.entries(schema.properties || {})) {
    const member = resolve(given);
    const isRequired = (schema.required || []).includes(name) ? ', required' : '';
    const type = Array.isArray(member.type) ? member.type.join(' or ') : member.type || 'object';
    list.append(element('li', {}, element('code', {}, name), ` (${type}${isRequired}) ${member.description || ''}`));
  }
  return list;
}

function field(parameter) {
  const input = element('input', {name: parameter.name});
  input.dataset.place = parameter.in;
  const title = element('span', {title: parameter.description || ''}, parameter.name + (parameter.required ? ' *' : ''));
  return element('label', {}, title, input);
}

function requestOf(method, path, form) {
  const query = new URLSearchParams();
  const headers = {};
  for (const input of form.querySelectorAll('input')) {
    if (input.dataset.place === 'path') path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.value === '') continue;
    else if (input.dataset.place === 'query') query.set(input.name, input.value);
    else headers[input.name] = input.value;
  }
  const options = {method: method.toUpperCase(), headers, credentials: 'same-origin', redirect: 'error'};
  const body = form.querySelector('textarea');
  if (body) {
    options.body = body.value;
    headers['Content-Type'] = 'application/json';
  }
  if (csrf && !headers['X-CSRF-Token'] && method !== 'get') headers['X-CSRF-Token'] = csrf;
  const text = query.toString();
  return [path + (text ? '?' + text : ''), options];
}

async function call(method, path, form, shown) {
  const [url, options] = requestOf(method, path, form);
  shown.className = '';
  shown.textContent = '…';
  try {
    const response = await fetch(url, options);
    let text = await response.text();
    if ((response.headers.get('Content-Type') || '').includes('json') && text) {
      text = JSON.stringify(JSON.parse(text), null, 2);
    }
    const heads = ['ETag', 'Location', 'Retry-After'].filter((name) => response.headers.get(name))
      .map((name) => `${name}: ${response.headers.get(name)}\n`).join('');
    shown.textContent = `${options.method} ${url}\n${response.status} ${response.statusText}\n${heads}\n${text}`;
    if (!response.ok) shown.className = 'failed';
    if (path.startsWith('/api/v1/auth/')) await showWho();
  } catch (error) {
    shown.textContent = String(error);
    shown.className = 'failed';
  }
}

function operationOf(method, path, operation) {
  const scope = operation['x-required-scope'] ||
    (operation.security && operation.security.length === 0 ? 'open to everybody' : 'any proof');
  const summary = element('summary', {}, element('b', {}, method.toUpperCase()), element('code', {}, path),
    element('span', {class: 'scope'}, scope));
  const form = element('form', {class: 'body'});
  form.append(element('p', {}, operation.summary));
  for (const parameter of operation.parameters || []) form.append(field(resolve(parameter)));
  const content = operation.requestBody && operation.requestBody.content['application/json'];
  if (content) {
    const text = element('textarea', {spellcheck: 'false', 'aria-label': 'Body'});
    text.value = JSON.stringify(example(content.schema), null, 2);
    form.append(members(content.schema), text);
  }
  const answers = element('ul');
  for (const [status, answer] of Object.entries(operation.responses)) {
    answers.append(element('li', {}, element('code', {}, status), ' ' + answer.description));
  }
  const shown = element('pre', {'aria-live': 'polite'});
  form.append(element('button', {type: 'submit'}, 'Try it'), shown, element('p', {}, 'Answers:'), answers);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const isDeclined = method === 'delete' && !confirm(`Really ${method.toUpperCase()} ${path}?`);
    if (!isDeclined) call(method, path, form, shown);
  });
  return element('details', {}, summary, form);
}

async function showWho() {
  const who = document.getElementById('who');
  const response = await fetch('/api/v1/auth/me', {credentials: 'same-origin'});
  if (!response.ok) {
    who.textContent = 'Nobody is logged in: reload this page.';
    csrf = null;
    return;
  }
  const me = await response.json();
  csrf = me.csrf_token;
  const due = me.must_change_password ? ' The password must be changed first.' : '';
  who.textContent = `You are ${me.name} (${me.method}); scopes: ${me.scopes.join(', ') || 'none'}.${due}`;
}

async function show() {
  const main = document.getElementById('operations');
  try {
    await showWho();
    const response = await fetch('/api/openapi.json', {credentials: 'same-origin'});
    if (!response.ok) throw new Error(`openapi.json: ${response.status}`);
    description = await response.json();
    const tags = new Map((description.tags || []).map((tag) => [tag.name, element('section', {}, element('h2', {}, tag.name))]));
    for (const [path, methods] of Object.entries(description.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        tags.get(operation.tags[0]).append(operationOf(method, path, operation));
      }
    }
    main.replaceChildren(...tags.values());
  } catch (error) {
    main.replaceChildren(element('p', {class: 'failed'}, String(error)));
  }
}

show();
