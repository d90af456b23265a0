/** What `/auth` says first to who has been admitted. */
export const GREETING = 'Welcome to the WebSocket Echo Server (post-handshake)!';
