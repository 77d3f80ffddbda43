// SPDX-License-Identifier: Apache-2.0
// Leads from the link to the page. A page of ours leads on, and no redirect: after a click on the link in another
// site's page a browser would leave the cookie out of the redirected request.
location.replace("./");
