// Where the server keeps what is done with an item. Knows nothing else.

/** Of this item in this session. */
export const itemPath = ({ item }, rest = "") =>
  `/api/practise/sessions/${encodeURIComponent(item.session)}/items/${item.position}${rest}`;

/** Of the question itself, whatever the session. */
export const questionPath = ({ item }, rest) => `/api/practise/questions/${encodeURIComponent(item.id)}/${rest}`;
