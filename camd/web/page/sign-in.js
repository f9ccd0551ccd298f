// The page of somebody without a key.

import {signIn} from "./dialogs.js";

signIn(new URL("../..", import.meta.url).href, () => location.reload(), document.body.dataset.why);
