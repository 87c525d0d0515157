"""The browser's side: pages, their scripts, the routes that these speak to, and the Gradio API. The only home of gradio."""
