// The start of the page of a server.

import { Api } from "./api.js";
import { Page } from "./page.js";
import { askToken } from "./token.js";

new Page(new Api(askToken)).begin();
