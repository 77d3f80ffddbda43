// SPDX-License-Identifier: Apache-2.0
package org.pf4j;

public class PluginWrapper {}
