// The page begins here: the document names its icon and notices, the rest is App.svelte.

import { mount } from "svelte";
import App from "./App.svelte";

const { icon = "", notices = "" } = document.body.dataset;

mount(App, { target: document.body, props: { icon, notices } });
