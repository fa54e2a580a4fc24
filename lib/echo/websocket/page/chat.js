const [state, messages, form, label, input] = ["state", "messages", "form", "label", "input"]
  .map((id) => document.getElementById(id));

function connect(token) {
  const socket = new WebSocket(location.href.replace(/^http/, "ws"));
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    state.textContent = "connected";
    if (token) socket.send(`AUTH ${token}`);
  };
  socket.onmessage = ({ data }) => {
    const line = document.createElement("p");
    // As text, never as HTML: a stranger has written it.
    line.textContent = typeof data === "string" ? data : new TextDecoder().decode(data);
    messages.append(line);
    if (messages.childElementCount > 500) messages.firstChild.remove();
    line.scrollIntoView({ block: "nearest" });
  };
  socket.onclose = ({ code, reason }) => {
    state.textContent = `disconnected ${reason}`;
    // Without a valid token, the server refuses to go on.
    if (code === 1008 && !reason) ask("Token", "password", connect);
    else setTimeout(connect, 1000 + 2000 * Math.random(), token);
  };
  ask("Message", "text", (text) => socket.readyState === WebSocket.OPEN && socket.send(text));
}

function ask(what, type, answer) {
  label.textContent = what;
  input.type = type;
  form.onsubmit = (event) => {
    event.preventDefault();
    if (answer(input.value) !== false) input.value = "";
  };
}

connect();
