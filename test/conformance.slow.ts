// The same with every wrong value that there is.
import './conformance.test.ts';
