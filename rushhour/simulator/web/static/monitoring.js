// @ts-check
import { openFeed } from "./feed.js";

openFeed({});
